"""How people name a model version: `iris`, `iris:3`, `iris@champion`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kea_sdk.errors import InvalidArgument

ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_ID = 63
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, and which of its versions."""

    model: str
    version: str
    """A number, an alias, or `latest`."""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Reads `MODEL`, `MODEL:NUMBER` or `MODEL@ALIAS`.

        Raises:
            InvalidArgument: it is none of these.
        """
        model, separator, version = text.partition("@")
        pattern = ID
        if not separator:
            model, separator, version = text.partition(":")
            pattern = _NUMBER
        if not ID.fullmatch(model) or (separator and not pattern.fullmatch(version)):
            problem = f"{text!r} names no model version; expected MODEL, MODEL:NUMBER or MODEL@ALIAS"
            raise InvalidArgument(problem)
        return cls(model, version or "latest")

    def name(self, project: str) -> str:
        """Returns the version's resource name."""
        return f"projects/{project}/models/{self.model}/versions/{self.version}"


def checked_id(text: str, what: str) -> str:
    """Returns the id as it is.

    Raises:
        InvalidArgument: it is not of the form of ids.
    """
    if not ID.fullmatch(text):
        problem = f"{text!r} is no {what}; expected lower-case letters, digits and hyphens, at most {_MAX_ID}"
        raise InvalidArgument(problem)
    return text


def deployment_id(endpoint: str, version: int, attempt: int = 1) -> str:
    """Returns the id of an endpoint's deployment of a version: `iris-v3`, and `iris-v3-2` where that one is taken."""
    suffix = f"-v{version}" if attempt == 1 else f"-v{version}-{attempt}"
    if len(endpoint) + len(suffix) <= _MAX_ID:
        return endpoint + suffix
    digest = hashlib.sha256(endpoint.encode()).hexdigest()[:6]
    return f"{endpoint[: _MAX_ID - len(suffix) - 7].rstrip('-')}-{digest}{suffix}"


def belongs_to(deployment: str, endpoint: str) -> bool:
    """Returns whether a deployment's id is one that deploying to the endpoint gives."""
    found = re.search(r"-v([1-9][0-9]*)(?:-([1-9][0-9]*))?$", deployment)
    return found is not None and deployment == deployment_id(endpoint, int(found[1]), int(found[2] or 1))
