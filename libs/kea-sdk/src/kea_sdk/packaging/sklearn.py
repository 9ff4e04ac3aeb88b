"""scikit-learn models, and whatever else has that interface."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from kea_openapi.signature import Signature

from kea_sdk.archive import Content
from kea_sdk.errors import PackagingError
from kea_sdk.packaging import pickled, requirements, sources
from kea_sdk.packaging.package import Package, PackageOptions

_PICKLES = (".joblib", ".pkl", ".pickle")


def is_estimator(model: Any) -> bool:
    """Returns whether it has scikit-learn's interface."""
    return callable(getattr(model, "fit", None)) and callable(getattr(model, "get_params", None))


def from_estimator(estimator: Any, options: PackageOptions) -> Package:
    """Packs a fitted estimator.

    Raises:
        PackagingError: it cannot be called, or cannot be saved.
    """
    modules = sources.reached(pickled.modules_of(estimator))
    local = sources.local_modules(modules)
    entrypoint = f"model.{options.serializer}"
    try:
        content = _dumped(estimator, options.serializer)
    except Exception as error:
        problem = f"{type(estimator).__name__} cannot be saved: {' '.join(str(error).split())}"
        raise PackagingError(problem) from error
    signature = _signature(estimator, options)
    return _package(entrypoint, {**local, entrypoint: content}, signature, modules)


def from_file(path: Path, options: PackageOptions) -> Package:
    """Packs a saved estimator.

    The file is loaded here, to call it, unless its signature is given. Loading a pickle runs what is in it: this is the
    user's own file on the user's own machine, and nothing of KEA's server side ever does it.

    Raises:
        PackagingError: it cannot be loaded or called.
    """
    entrypoint = f"{path.stem}.pkl" if path.suffix == ".pickle" else path.name
    if options.signature is not None:
        return _package(entrypoint, {entrypoint: path}, options.signature, set())
    with sources.importable(path.parent):  # modules that lie beside it, as they will where it is served
        estimator = _loaded(path)
        if not is_estimator(estimator):
            problem = f"{path.name} has a {type(estimator).__name__}; expected a scikit-learn estimator"
            raise PackagingError(problem)
        signature = _signature(estimator, options)
    modules = sources.reached(pickled.modules_of(estimator))
    files: dict[str, Content] = {**sources.local_modules(modules), entrypoint: path}
    return _package(entrypoint, files, signature, modules)


def _package(entrypoint: str, files: dict[str, Content], signature: Signature, modules: set[str]) -> Package:
    wanted = {"scikit-learn", *requirements.of_modules(modules)}
    if entrypoint.endswith(".skops"):
        wanted.add("skops")
    if any(method.table for method in signature.methods):
        wanted.add("pandas")
    return Package(
        framework="sklearn",
        entrypoint=entrypoint,
        files=files,
        signature=signature,
        requirements=requirements.pinned(wanted),
    )


def _signature(estimator: Any, options: PackageOptions) -> Signature:
    if options.signature is not None:
        return options.signature
    try:
        from kea_sdk.packaging import estimators
    except ModuleNotFoundError as error:  # numpy: the client needs it only where there is a model that does
        problem = f"{error.name} is needed to look at the model, and is not installed here"
        raise PackagingError(problem) from error
    return estimators.signature_of(estimator, options.example, options.method)


def _dumped(estimator: Any, serializer: str) -> bytes:
    if serializer == "skops":
        import skops.io

        return skops.io.dumps(estimator)
    import joblib

    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def _loaded(path: Path) -> Any:
    try:
        if path.suffix in _PICKLES:
            import joblib

            return joblib.load(path)
        import skops.io

        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    except Exception as error:
        problem = f"{path.name} cannot be loaded here: {type(error).__name__}: {' '.join(str(error).split())}"
        raise PackagingError(problem) from error
