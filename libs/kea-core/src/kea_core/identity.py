"""Who a process is towards others, and whose word it takes: a directory laid out as a `kubernetes.io/tls` Secret.

`tls.crt` is its certificate, with intermediate ones after it; `tls.key` the key, `ca.crt` the authorities that sign
certificates of others. cert-manager writes Secrets so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from kea_core.settings import SettingsError

CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that is good, the key that belongs to it, and the authorities; all as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    authorities: bytes
    expires_at: datetime


def read_identity(directory: Path, now: datetime) -> Identity:
    """Returns what is in a directory.

    Raises:
        SettingsError: a file is missing, or is not what it should be; the message names it, and tells nothing of a key.
    """
    certificate, key, authorities = (_read(directory / name) for name in (CERTIFICATE, KEY, AUTHORITIES))
    leaf = _certificates(directory / CERTIFICATE, certificate)[0]
    _check_time(directory / CERTIFICATE, leaf, now)
    if _public(_private_key(directory / KEY, key).public_key()) != _public(leaf.public_key()):
        problem = f"tls_directory: {directory / KEY} is not the key of the certificate in {directory / CERTIFICATE}"
        raise SettingsError(problem)
    _certificates(directory / AUTHORITIES, authorities)
    return Identity(certificate, key, authorities, leaf.not_valid_after_utc)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"tls_directory: {path} cannot be read: {error.strerror}"
        raise SettingsError(problem) from None


def _certificates(path: Path, text: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(text)
    except ValueError as error:
        problem = f"tls_directory: {path} has no certificate as PEM: {error}"
        raise SettingsError(problem) from None


def _check_time(path: Path, certificate: Certificate, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= now < ends:
        problem = f"tls_directory: the certificate in {path} is good from {begins} to {ends}; it is {now} now"
        raise SettingsError(problem)


def _private_key(path: Path, text: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError is a key with a password
        problem = f"tls_directory: {path} has no private key as PEM that needs no password"
        raise SettingsError(problem) from None


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
