"""What the client does with models and their versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kea_openapi.signature import Signature

from kea_sdk import convert
from kea_sdk.reference import Reference, checked_id
from kea_sdk.registry import Registry
from kea_sdk.resources import Model, ModelVersion

if TYPE_CHECKING:
    from kea_sdk.packaging.package import Serializer


class ModelCalls:
    """The part of the client that speaks to the registry.

    Args:
        registry: the registry's calls.
        project: the project.
    """

    def __init__(self, registry: Registry, project: str) -> None:
        self.project = project
        self._registry = registry

    def push(
        self,
        name: str,
        model: Any,
        *,
        example: Any = None,
        requirements: Iterable[str] | str | Path | None = None,
        description: str = "",
        framework: str | None = None,
        method: str | None = None,
        class_name: str | None = None,
        version: int | None = None,
        signature: Signature | None = None,
        max_batch_rows: int | None = None,
        serializer: Serializer = "joblib",
        progress: Callable[[int, int], None] = lambda _sent, _total: None,
    ) -> ModelVersion:
        """Makes a new version of a model, and the model where it is new. All or nothing.

        Args:
            name: id of the model.
            model: a fitted scikit-learn estimator or pipeline, an ONNX `ModelProto`, a class, or the path of an
                `.onnx`, `.joblib`, `.pkl`, `.skops` or `.py` file (`file.py:Class`) or of a directory. A saved
                estimator is loaded here to find its signature, unless that is given; loading a pickle runs what is in
                it, so push no pickle that is not yours.
            example: inputs of a call that works: types are found by it, and the docs show it. An array or frame for an
                estimator; a mapping by input for a graph; for a class by input, or by method and input.
            requirements: PEP 508 lines, or the path of a requirements file. None: the versions installed here.
            description: what this version is about, in CommonMark.
            framework: what the model must turn out to be: `sklearn`, `onnx` or `python`.
            method: the method called by protocols that name none.
            class_name: the class in a Python file; for a directory also `file.py:Class`.
            version: the number it must get. None: the next.
            signature: what it takes and gives. None: it is derived.
            max_batch_rows: most rows of one call of the model that answers several callers at once, for every method
                with rows; 1 keeps every call its own. None: 64 where scikit-learn promises that a row's result does
                not depend on the others, else 1.
            serializer: how an estimator is saved: `joblib` or `skops`.
            progress: called with the bytes sent and the bytes there are.

        Raises:
            PackagingError: it is no model, or something could not be derived.
            KeaClientError: the registry refused it.
        """
        from kea_sdk.packaging.build import build
        from kea_sdk.packaging.package import PackageOptions
        from kea_sdk.packaging.requirements import given

        checked_id(name, "model's name")
        options = PackageOptions(
            example=example,
            requirements=given(requirements),
            framework=framework,
            method=method,
            class_name=class_name,
            signature=signature,
            max_batch_rows=max_batch_rows,
            serializer=serializer,
        )
        package = build(model, options)
        return self._registry.upload(name, package, version=version, description=description, progress=progress)

    def models(self) -> list[Model]:
        """Returns all models by name."""
        return self._registry.models()

    def model(self, name: str) -> Model:
        """Returns a model."""
        return self._registry.model(checked_id(name, "model's name"))

    def versions(self, name: str) -> list[ModelVersion]:
        """Returns all versions of a model, newest first."""
        return self._registry.versions(checked_id(name, "model's name"))

    def version(self, reference: str) -> ModelVersion:
        """Returns the version that `MODEL`, `MODEL:NUMBER` or `MODEL@ALIAS` means."""
        found = self._registry.version(Reference.parse(reference).name(self.project))
        return convert.model_version(found)

    def alias(self, name: str, alias: str, version: int) -> Model:
        """Points an alias at a version of a model, making the alias where it is new."""
        return self._registry.set_alias(checked_id(name, "model's name"), checked_id(alias, "alias"), version)

    def delete_model(self, name: str, *, force: bool = False) -> None:
        """Deletes a model; with `force` also its versions."""
        self._registry.delete_model(checked_id(name, "model's name"), force=force)
