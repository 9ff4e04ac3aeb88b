"""Names of images, as people write them and every tool reads them (github.com/distribution/reference)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

import httpx

from kea_oci.digest import is_digest
from kea_oci.errors import BadImageReference

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME_CHARACTERS = 255
"""Of registry and repository together."""
MAX_PORT = 65535

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?\Z")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"\w[\w.-]{0,127}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image is, and which."""

    registry: str
    """`HOST` or `HOST:PORT`."""
    repository: str
    tag: str = ""
    digest: str = ""
    """`sha256:…`. Where both are given the digest counts, and the tag is for people."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`.

        Without a host it is Docker Hub's, and without tag and digest it is tagged `latest`, as with every other tool.

        Raises:
            BadImageReference: it is nothing of the kind.
        """
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise BadImageReference(text, "expected sha256: and 64 hexadecimal digits after the @")
        head, slash, path = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost" or head != head.lower()):
            registry = head
        else:
            registry, path = DEFAULT_REGISTRY, rest
        repository, colon, tag = path.partition(":")
        if registry in {DEFAULT_REGISTRY, f"index.{DEFAULT_REGISTRY}"}:
            registry = DEFAULT_REGISTRY
            repository = repository if "/" in repository else f"library/{repository}"
        if not _is_host(registry):
            raise BadImageReference(text, f"{registry!r} is no host; expected HOST or HOST:PORT before the first /")
        if not _REPOSITORY.match(repository):
            expected = "expected lower-case letters, digits, and . _ - between them, in parts separated by /"
            raise BadImageReference(text, f"{repository!r} is no repository; {expected}")
        if len(registry) + 1 + len(repository) > MAX_NAME_CHARACTERS:
            raise BadImageReference(text, f"the name is longer than {MAX_NAME_CHARACTERS} characters")
        if colon and not _TAG.match(tag):
            raise BadImageReference(
                text, f"{tag!r} is no tag; expected up to 128 letters, digits, and _ . - after the first"
            )
        return cls(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def version(self) -> str:
        """What a registry is asked for: the digest, or the tag."""
        return self.digest or self.tag

    def at(self, digest: str) -> ImageReference:
        """Returns the same image pinned to a digest."""
        return replace(self, digest=digest)


def _is_host(text: str) -> bool:
    if not _HOST.match(text):
        return False
    try:
        return (httpx.URL(f"https://{text}").port or 0) <= MAX_PORT
    except httpx.InvalidURL:  # an address of numbers that is none
        return False
