"""The signature of a Python class, read from the sources in its archive."""

from __future__ import annotations

from typing import BinaryIO

from kea_openapi.python_source import SourceError, signature_of
from kea_openapi.signature import Signature

from kea_registry.domain.archive import read_python_sources
from kea_registry.domain.errors import SignatureInvalid


def read_python_signature(archive: BinaryIO, entrypoint: str) -> Signature:
    """Returns the signature of the class that an entrypoint `file.py:Class` names; nothing is run.

    Raises:
        SignatureInvalid: none can be read from the source.
    """
    archive.seek(0)
    try:
        return signature_of(read_python_sources(archive), entrypoint)
    except SourceError as error:
        raise SignatureInvalid(str(error)) from error
