"""From what an MLModel says and what there is, to what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kea.registry.v1 import model_pb2, model_version_pb2
from kea_openapi.convert import to_proto

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import FRAMEWORKS, ModelSpec
from kea_deployer.operator.packaging.package import Package
from kea_deployer.operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Known:
    """What a status says of what was done before; all empty where nothing was."""

    digest: str = ""
    """Of the spec and the content that `version` was made from."""
    version: int = 0


def check_owner(resource: str, model: model_pb2.Model | None) -> None:
    """Checks that a model is the resource's own, or there is none yet.

    Raises:
        Problem: it is another's.
    """
    if model is None or model.managed_by == resource:
        return
    owner = f"the custom resource {model.managed_by}" if model.managed_by else "no custom resource"
    problem = f"{model.name} is managed by {owner}; expected a free name: change spec.modelName, or delete the other"
    raise Problem(Reason.CONFLICT, problem, passing=True)


def is_described(spec: ModelSpec, model: model_pb2.Model) -> bool:
    """Returns whether a model says of itself what its resource does."""
    return (model.display_name, model.description) == (spec.display_name, spec.description)


def is_current(known: Known, digest: str, model: model_pb2.Model) -> bool:
    """Returns whether the newest version is of this very spec and content, so that nothing need be fetched."""
    return known.digest == digest and known.version == model.latest_version != 0


def is_same(latest: model_version_pb2.ModelVersion | None, wanted: model_version_pb2.ModelVersion) -> bool:
    """Returns whether a version is what would be uploaded.

    So nothing is uploaded twice where an operator died between an upload and its note of it.
    """
    if latest is None:
        return False
    # A signature that is not given is read from the source, which is compared by its digest.
    signature = wanted.signature == latest.signature if wanted.HasField("signature") else True
    return signature and all(
        getattr(latest, field) == getattr(wanted, field)
        for field in ("framework", "entrypoint", "sha256", "requirements")
    )


def version_of(package: Package) -> model_version_pb2.ModelVersion:
    """Returns what is uploaded."""
    return model_version_pb2.ModelVersion(
        framework=FRAMEWORKS[package.framework],
        entrypoint=package.entrypoint,
        signature=None if package.signature is None else to_proto(package.signature),
        requirements=package.requirements,
        sha256=package.sha256,
    )
