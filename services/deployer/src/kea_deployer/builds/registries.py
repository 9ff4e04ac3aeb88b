"""The registries images come from and go to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kea_oci.credentials import Credentials
from kea_oci.registry import Registry


class Registries:
    """One client for each, made when it is first asked for.

    Args:
        credentials: by registry; others are nobody's.
        plain_http: registries that are spoken to without TLS.
    """

    def __init__(self, credentials: Mapping[str, Credentials], plain_http: Collection[str]) -> None:
        self._credentials = credentials
        self._plain_http = frozenset(plain_http)
        self._clients: dict[str, Registry] = {}

    def __getitem__(self, name: str) -> Registry:
        if name not in self._clients:
            plain = name in self._plain_http
            self._clients[name] = Registry(name, self._credentials.get(name), plain_http=plain)
        return self._clients[name]

    async def close(self) -> None:
        """Closes them all."""
        while self._clients:
            await self._clients.popitem()[1].close()
