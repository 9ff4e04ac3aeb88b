"""What an MLModel says. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from kea.registry.v1 import model_version_pb2, signature_pb2
from kea_openapi.convert import from_proto
from kea_openapi.signature import Signature, SignatureError, to_json

from kea_deployer.operator.errors import Problem, spec_invalid
from kea_deployer.operator.names import resource_id
from kea_deployer.operator.reasons import Reason

SKLEARN, ONNX, PYTHON = "sklearn", "onnx", "python"
FRAMEWORKS = {
    SKLEARN: model_version_pb2.FRAMEWORK_SKLEARN,
    ONNX: model_version_pb2.FRAMEWORK_ONNX,
    PYTHON: model_version_pb2.FRAMEWORK_PYTHON,
}
_SPELLINGS = {"scikit-learn": SKLEARN, "scikitlearn": SKLEARN, "onnxruntime": ONNX, "pyfunc": PYTHON}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, and where its artifact is."""

    model_id: str
    display_name: str
    framework: str
    address: str
    description: str = ""
    entrypoint: str = ""
    requirements: tuple[str, ...] = ()
    signature: Signature | None = None
    sha256: str = ""
    """Of what is fetched, where it is to be a certain content."""
    credentials_secret: str = ""
    input_type: str = ""
    output_type: str = ""

    def digest(self, stamp: str) -> str:
        """Returns what stays the same as long as there is nothing new to upload.

        Args:
            stamp: of the content, as its source tells; empty where it does not tell.
        """
        signature = None if self.signature is None else to_json(self.signature)
        parts = [self.model_id, self.framework, self.address, self.entrypoint, list(self.requirements), signature]
        parts += [self.sha256, self.input_type, stamp]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_model_spec(spec: Mapping[str, Any]) -> ModelSpec:
    """Reads a spec.

    Raises:
        Problem: it cannot be a model of KEA's.
    """
    name = str(spec.get("modelName") or "")
    address = str(spec.get("s3Path") or "")
    sha256 = str(spec.get("sha256") or "").lower()
    if not name:
        raise spec_invalid(field="modelName", found=name, expected="the model's name")
    if not address:
        raise spec_invalid(field="s3Path", found=address, expected="the address of the artifact")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise spec_invalid(field="sha256", found=sha256, expected="64 hexadecimal digits")
    return ModelSpec(
        model_id=resource_id(name),
        display_name=name,
        framework=_framework(str(spec.get("modelFramework") or "")),
        address=address,
        description=str(spec.get("description") or ""),
        entrypoint=str(spec.get("entrypoint") or ""),
        requirements=tuple(str(line) for line in spec.get("requirements") or ()),
        signature=_signature(spec.get("signature")),
        sha256=sha256,
        credentials_secret=str(spec.get("credentialsSecret") or ""),
        input_type=str(spec.get("inputType") or ""),
        output_type=str(spec.get("outputType") or ""),
    )


def _framework(given: str) -> str:
    name = given.lower().replace("_", "-")
    name = _SPELLINGS.get(name, name)
    if name not in FRAMEWORKS:
        known = ", ".join(FRAMEWORKS)
        problem = f"spec.modelFramework is {given!r}, which cannot be served; expected one of {known}"
        raise Problem(Reason.FRAMEWORK_UNSUPPORTED, problem)
    return name


def _signature(document: Any) -> Signature | None:
    if not document:
        return None
    try:
        return from_proto(json_format.ParseDict(document, signature_pb2.Signature()))
    except (json_format.ParseError, SignatureError) as error:
        problem = f"spec.signature cannot be used: {error}"
        raise Problem(Reason.SIGNATURE_INVALID, problem) from error
