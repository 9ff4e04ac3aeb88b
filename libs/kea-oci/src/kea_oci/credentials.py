"""Credentials of registries, as `docker login` and Kubernetes' pull secrets keep them: `config.json`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kea_core.settings import Secret, SettingsError

from kea_oci.reference import DEFAULT_REGISTRY

NO_SECRET = Secret("")
MAX_FILE_BYTES = 1024 * 1024
_HUB = frozenset({"index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one registry wants: a name and a password, or a token that is exchanged for others (OAuth 2.0)."""

    user: str = ""
    password: Secret = NO_SECRET
    identity_token: Secret = NO_SECRET


def read_credentials(path: Path) -> Mapping[str, Credentials]:
    """Reads a `config.json`, by registry.

    Raises:
        SettingsError: it cannot be read. What is in it is not told.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            problem = f"{path} is larger than {MAX_FILE_BYTES} bytes"
            raise SettingsError(problem)
        document = json.loads(path.read_bytes())
        auths = cast("dict[str, dict[str, Any]]", document.get("auths", {}))
        return {_registry(key): _credentials(entry) for key, entry in auths.items()}
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise SettingsError(problem) from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        if isinstance(error, SettingsError):
            raise
        problem = f"{path} is no Docker configuration; expected JSON with auths by registry"
        raise SettingsError(problem) from None  # the error may show a part of the file


def _registry(key: str) -> str:
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DEFAULT_REGISTRY if host in _HUB else host


def _credentials(entry: Mapping[str, Any]) -> Credentials:
    user, password, token = (str(entry.get(key) or "") for key in ("username", "password", "identitytoken"))
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError from error
        user, _, password = decoded.partition(":")
    return Credentials(user, Secret(password.rstrip("\0")), Secret(token))
