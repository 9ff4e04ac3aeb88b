"""Digests, which name all content (OCI image-spec 1.1, descriptor.md). Only SHA-256, which every registry knows."""

from __future__ import annotations

import hashlib
import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def digest_of(content: bytes) -> str:
    """Returns `sha256:…` of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Returns whether a text is a digest."""
    return _DIGEST.match(text) is not None
