"""A version of a model: an artifact and everything needed to serve it. Never changes."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_openapi.signature import Signature

from kea_registry.domain.model import ModelKey


class Framework(enum.StrEnum):
    """What a model was made with."""

    SKLEARN = "sklearn"
    ONNX = "onnx"
    PYTHON = "python"


SUFFIXES = {
    Framework.SKLEARN: (".joblib", ".pkl", ".skops"),
    Framework.ONNX: (".onnx",),
    Framework.PYTHON: (".py",),
}
"""What the entrypoint's file may end with."""


@dataclass(frozen=True, slots=True, order=True)
class VersionKey:
    """Which version."""

    model: ModelKey
    number: int

    @property
    def name(self) -> str:
        """Resource name."""
        return f"{self.model.name}/versions/{self.number}"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version."""

    key: VersionKey
    framework: Framework
    entrypoint: str
    signature: Signature
    requirements: tuple[str, ...]
    description: str
    sha256: str
    size_bytes: int
    create_time: datetime
    creator: str


def entrypoint_file(framework: Framework, entrypoint: str) -> str:
    """Returns the archive's file that an entrypoint names.

    Raises:
        FieldOutOfBounds: the entrypoint is not of the framework's form.
    """
    file, colon, name = entrypoint.partition(":") if framework is Framework.PYTHON else (entrypoint, "", "")
    suffixes = SUFFIXES[framework]
    well_named = bool(colon) and re.fullmatch(r"[^\W\d]\w*", name) is not None
    if PurePosixPath(file).suffix not in suffixes or (framework is Framework.PYTHON and not well_named):
        form = "`file.py:Class`" if framework is Framework.PYTHON else f"a file that ends with {' or '.join(suffixes)}"
        description = f"is {entrypoint!r}; expected {form}"
        raise FieldOutOfBounds([FieldViolation("header.model_version.entrypoint", description)])
    return file
