"""The bearer token of a client."""

from __future__ import annotations

from pathlib import Path


class BearerToken:
    """A token that was given, or the content of a file that the platform renews.

    Args:
        token: the token; empty where the file is to be read.
        file: where it is read from.
    """

    def __init__(self, token: str = "", file: Path | None = None) -> None:
        self._token = token
        self._file = None if token else file

    def value(self) -> str:
        """Returns the token, or nothing where there is none."""
        if not self._token:
            self._token = self._read()
        return self._token

    def renew(self) -> bool:
        """Reads the file again after a refusal; returns whether that gave another token."""
        fresh = self._read()
        if not fresh or fresh == self._token:
            return False
        self._token = fresh
        return True

    def _read(self) -> str:
        if self._file is None:
            return ""
        try:
            return self._file.read_text("utf-8").strip()
        except OSError:
            return ""
