"""With what an S3 store is spoken to: a Secret's entries, or the operator's environment. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kea_core.settings import Secret

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason

ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
DEFAULT_REGION = "us-east-1"
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """Who asks, and whom. Without a key nothing is signed, as public buckets want it."""

    access_key: str = ""
    secret_key: Secret = field(default_factory=Secret)
    session_token: Secret = field(default_factory=Secret)
    endpoint: str = ""
    """Empty: Amazon's own."""
    region: str = DEFAULT_REGION
    trusted: bool = False
    """Whether the endpoint is the operator's own setting, which need not be checked as users' are."""


def of_environment(environ: Mapping[str, str]) -> S3Credentials:
    """Returns what the operator's environment says, by the variables of Amazon's own tools."""
    return _read(environ, trusted=True)


def of_secret(name: str, secret: Mapping[str, Any] | None) -> S3Credentials:
    """Returns what a Secret says, by the same names.

    Raises:
        Problem: it is not there, or says nothing.
    """
    if secret is None:
        problem = f"spec.credentialsSecret names the Secret {name}, which is not in this namespace"
        raise Problem(Reason.CREDENTIALS_MISSING, problem, passing=True)
    entries: dict[str, str] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            entries[key] = base64.b64decode(value, validate=True).decode().strip()
        except (binascii.Error, UnicodeDecodeError):
            continue
    if bool(entries.get("AWS_ACCESS_KEY_ID")) != bool(entries.get("AWS_SECRET_ACCESS_KEY")) or not entries:
        problem = f"the Secret {name} lacks entries; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise Problem(Reason.CREDENTIALS_INVALID, problem, passing=True)
    return _read(entries, trusted=False)


def _read(entries: Mapping[str, str], *, trusted: bool) -> S3Credentials:
    def first(names: tuple[str, ...]) -> str:
        return next((entries[name] for name in names if entries.get(name)), "")

    return S3Credentials(
        access_key=entries.get("AWS_ACCESS_KEY_ID", ""),
        secret_key=Secret(entries.get("AWS_SECRET_ACCESS_KEY", "")),
        session_token=Secret(entries.get("AWS_SESSION_TOKEN", "")),
        endpoint=first(ENDPOINT),
        region=first(REGION) or DEFAULT_REGION,
        trusted=trusted,
    )
