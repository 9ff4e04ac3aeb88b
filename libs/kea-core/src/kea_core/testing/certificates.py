"""A certificate authority, and directories that are renewed as Kubernetes renews mounted Secrets."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
_COUNT = itertools.count()


@dataclass(frozen=True, slots=True)
class Issued:
    """What an authority issues; all as PEM."""

    certificate: bytes
    key: bytes
    authority: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """Returns the contents of files by name, as a `kubernetes.io/tls` Secret has them."""
        return {"tls.crt": self.certificate, "tls.key": self.key, "ca.crt": self.authority}


class Authority:
    """Signs certificates with a key of its own."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        made = _builder(self._name, self._name, self._key.public_key(), now - DAY, now + DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def issue(self, *hosts: str, begins: timedelta = -DAY, ends: timedelta = DAY) -> Issued:
        """Returns a new key and its certificate for names and IP addresses, good for so long before and after now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
        now = datetime.now(UTC)
        made = _builder(subject, self._name, key.public_key(), now + begins, now + ends)
        made = made.add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return Issued(
            made.sign(self._key, SHA256()).public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            self._certificate,
        )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    return made.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)


def mount(directory: Path, files: dict[str, bytes]) -> Path:
    """Puts files into a directory, or others in their place, as Kubernetes mounts a Secret; returns the directory.

    They are links through `..data`, itself a link, which is replaced by one rename: nobody ever sees half of them.
    """
    directory.mkdir(exist_ok=True)
    version = directory / f"..{next(_COUNT)}"
    version.mkdir()
    for name, content in files.items():
        (version / name).write_bytes(content)
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(Path("..data", name))
    (directory / "..data_tmp").symlink_to(version.name)
    (directory / "..data_tmp").rename(directory / "..data")
    return directory
