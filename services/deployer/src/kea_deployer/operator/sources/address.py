"""What users write for where an artifact is. Pure: nothing is asked of any network or disk here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.settings import SourceSettings
from kea_deployer.operator.sources.networks import check_host

MOST_CHARACTERS = 2048
MOST_OF_NAME = 100


@dataclass(frozen=True, slots=True)
class S3Address:
    """An object of a bucket."""

    bucket: str
    key: str

    @property
    def file_name(self) -> str:
        """Its last part."""
        return PurePosixPath(self.key).name


@dataclass(frozen=True, slots=True)
class HttpsAddress:
    """A resource of a web server."""

    url: str

    @property
    def file_name(self) -> str:
        """Its last part."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A file of the operator's machine."""

    path: Path

    @property
    def file_name(self) -> str:
        """Its last part."""
        return self.path.name


Address = S3Address | HttpsAddress | FileAddress


def safe_name(address: Address) -> str:
    """Returns a name for what is fetched: its own, of characters that every file system and archive takes."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", address.file_name)[-MOST_OF_NAME:].lstrip(".-")
    return name or "artifact"


def read_address(text: str, settings: SourceSettings) -> Address:
    """Reads an address that may be fetched.

    Raises:
        Problem: it may not, or is none.
    """
    if len(text) > MOST_CHARACTERS or not text.isprintable() or any(character.isspace() for character in text):
        raise Problem(
            Reason.SOURCE_REFUSED,
            f"spec.s3Path is {text[:100]!r}; expected at most {MOST_CHARACTERS} characters, none of them a space",
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Problem(Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}: {error}") from error
    if parts.scheme not in settings.schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in settings.schemes)
        raise Problem(
            Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}; expected an address that begins with one of {allowed}"
        )
    if parts.username is not None or parts.password is not None:
        raise Problem(
            Reason.SOURCE_REFUSED,
            "spec.s3Path has a user or password in it; expected a Secret in spec.credentialsSecret",
        )
    if parts.fragment or (parts.query and parts.scheme != "https"):
        raise Problem(Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}; expected no '?' or '#' in it")
    if parts.scheme == "s3":
        return _s3(text, parts.netloc, parts.path)
    if parts.scheme == "file":
        return _file(text, parts.netloc, parts.path, settings)
    return HttpsAddress(check_url(text, parts.hostname, port, settings))


def check_url(text: str, host: str | None, port: int | None, settings: SourceSettings) -> str:
    """Returns a URL whose host may be spoken to, as far as its name tells.

    Raises:
        Problem: it may not.
    """
    if not host or port == 0:
        raise Problem(Reason.SOURCE_REFUSED, f"{text!r} names no host")
    check_host(host, [ipaddress.ip_network(network) for network in settings.allowed_networks])
    return text


def _s3(text: str, bucket: str, path: str) -> S3Address:
    key = path.removeprefix("/")
    if not bucket or any(character in bucket for character in ":@/"):
        raise Problem(Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}; expected s3://BUCKET/KEY")
    if not key or key.endswith("/"):
        problem = (
            f"spec.s3Path is {text!r}, which names no object; expected one file, or an archive (.tar, .tar.gz, .zip)"
        )
        raise Problem(Reason.SOURCE_REFUSED, problem)
    return S3Address(bucket, key)


def _file(text: str, host: str, path: str, settings: SourceSettings) -> FileAddress:
    if host not in ("", "localhost"):
        raise Problem(Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}; expected file:///PATH")
    found = PurePosixPath(unquote(path))
    roots = [PurePosixPath(root) for root in settings.file_roots]
    if ".." in found.parts or "\0" in str(found) or not any(found.is_relative_to(root) for root in roots):
        below = ", ".join(settings.file_roots)
        raise Problem(Reason.SOURCE_REFUSED, f"spec.s3Path is {text!r}; expected a file below {below}")
    return FileAddress(Path(found))
