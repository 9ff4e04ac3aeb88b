"""The file that `kea login` keeps tokens in: for each gateway those of whoever has logged in there."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from kea_sdk import address

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login has led to."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expire_time: float
    """When the access token stops being accepted, in seconds since 1970."""


class LoginStore:
    """Tokens by gateway. Several processes may use one file.

    Args:
        path: of the file, which only its owner may read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, url: str) -> Tokens | None:
        """Returns the tokens for a gateway; None where nobody has logged in there."""
        return next((tokens for place, tokens in self._read().items() if address.same_place(place, url)), None)

    def put(self, url: str, tokens: Tokens | None) -> None:
        """Keeps the tokens for a gateway; None takes them away. To be called while the file is `locked`."""
        kept = {place: one for place, one in self._read().items() if not address.same_place(place, url)}
        if tokens is not None:
            kept[url] = tokens
        self._write({place: asdict(one) for place, one in kept.items()})

    @contextmanager
    def locked(self) -> Generator[None, None, None]:
        """Keeps other processes from changing the file: a refresh token that two of them use ends the session."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> dict[str, Tokens]:
        try:
            with self._path.open("rb") as file:
                document: Any = json.loads(file.read(MAX_BYTES + 1))
            entries = cast("dict[str, dict[str, Any]]", document)
            return {address.checked(url): Tokens(**tokens) for url, tokens in entries.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # whoever cannot read it logs in again

    def _write(self, document: Any) -> None:
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file)
            draft.replace(self._path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
