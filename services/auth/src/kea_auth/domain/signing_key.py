"""A key that tokens are signed with."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair. Its state follows from the times of all keys: see `key_ring`."""

    number: int
    """1 for the first key ever; each newer one has the next."""
    kid: str
    """Its JWK thumbprint (RFC 7638)."""
    private_bytes: bytes = field(repr=False)
    """The private half, 32 bytes."""
    create_time: datetime
    """When it was made."""
    activate_time: datetime
    """When it begins to sign."""

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """The private half, ready to sign."""
        return Ed25519PrivateKey.from_private_bytes(self.private_bytes)

    def public_jwk(self) -> dict[str, str]:
        """Returns the public half as a JSON Web Key (RFC 8037)."""
        return _required(self.private_key) | {"alg": "EdDSA", "use": "sig", "kid": self.kid}


def make_key(number: int, create_time: datetime, activate_time: datetime) -> SigningKey:
    """Returns a new key, of the system's randomness."""
    private = Ed25519PrivateKey.generate()
    # RFC 7638: the required members only, sorted, without spaces.
    canonical = json.dumps(_required(private), sort_keys=True, separators=(",", ":"))
    return SigningKey(
        number=number,
        kid=_base64url(hashlib.sha256(canonical.encode()).digest()),
        private_bytes=private.private_bytes_raw(),
        create_time=create_time,
        activate_time=activate_time,
    )


def _required(private: Ed25519PrivateKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(private.public_key().public_bytes_raw())}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
