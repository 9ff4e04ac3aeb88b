"""What is pushed, before it is an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kea_openapi.signature import Signature

from kea_sdk.archive import Content

Serializer = Literal["joblib", "skops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A model version, ready to be uploaded."""

    framework: str
    """`sklearn`, `onnx` or `python`."""
    entrypoint: str
    files: Mapping[str, Content]
    """Content by path inside the archive."""
    signature: Signature | None
    """None: the registry reads it from the source."""
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOptions:
    """What the user said about it; everything not said is derived."""

    example: Any = None
    """Inputs of a call that works."""
    requirements: tuple[str, ...] | None = None
    framework: str | None = None
    method: str | None = None
    """The default method."""
    class_name: str | None = None
    signature: Signature | None = None
    max_batch_rows: int | None = None
    """For every method. None: as the signature has it."""
    serializer: Serializer = "joblib"
