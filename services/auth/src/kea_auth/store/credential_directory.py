"""Secrets of service accounts, as files."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

log = logging.getLogger(__name__)

EXPOSED = 0o027
"""Permissions a secret must not give: any to others, writing to the group. The group may read, because that is how a
mounted Kubernetes secret reaches a process that is not root."""


class CredentialDirectory:
    """A file per service account; the file's name is the account's id."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def secret(self, account: str) -> str | None:
        """Returns an account's secret, or None where there is none, or others could have read or written it."""
        return await asyncio.to_thread(self._read, account)

    def _read(self, account: str) -> str | None:
        path = self._directory / account
        try:
            with path.open(encoding="utf-8") as file:
                mode = path.stat().st_mode
                secret = file.read().strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            log.error("credential is not readable", extra={"account": account, "problem": repr(error)})  # noqa: TRY400 - one line says it
            return None
        if mode & EXPOSED:
            log.error("credential is exposed to other users", extra={"account": account, "mode": f"{mode & 0o777:o}"})
            return None
        return secret or None
