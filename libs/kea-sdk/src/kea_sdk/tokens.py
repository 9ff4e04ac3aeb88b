"""The bearer token of a client."""

from __future__ import annotations

import re
from pathlib import Path

from kea_core.settings import Secret

MAX_BYTES = 64 * 1024
"""Of a token's file; a longer one is something else's."""

_TOKEN = re.compile(r"[\x21-\x7e]*")


def is_token(text: str) -> bool:
    """Returns whether it can stand in a header. Errors of who tries to send another would quote it."""
    return len(text) <= MAX_BYTES and _TOKEN.fullmatch(text) is not None


class BearerToken:
    """A token that was given, or the content of a file that the platform renews.

    Args:
        token: the token; empty where the file is to be read.
        file: where it is read from.
    """

    def __init__(self, token: str = "", file: Path | None = None) -> None:
        self._token = Secret(token)
        self._file = None if token else file

    def value(self) -> str:
        """Returns the token, or nothing where there is none."""
        if not self._token:
            self._token = self._read()
        return self._token.reveal()

    def renew(self) -> bool:
        """Reads the file again after a refusal; returns whether that gave another token."""
        fresh = self._read()
        if not fresh or fresh == self._token:
            return False
        self._token = fresh
        return True

    def _read(self) -> Secret:
        if self._file is None:
            return Secret("")
        try:
            with self._file.open("rb") as file:
                text = file.read(MAX_BYTES + 1).decode().strip()
        except (OSError, UnicodeDecodeError):
            return Secret("")
        return Secret(text if is_token(text) else "")
