"""All places artifacts come from, behind one face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ModelSpec
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.settings import SourceSettings
from kea_deployer.operator.sources.address import FileAddress, HttpsAddress, S3Address, read_address, safe_name
from kea_deployer.operator.sources.credentials import S3Credentials, of_environment, of_secret
from kea_deployer.operator.sources.download import SourceFile
from kea_deployer.operator.sources.file_source import FileSource
from kea_deployer.operator.sources.http_source import HttpSource

Secrets = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""Returns a Secret by namespace and name."""


class ArtifactSources:
    """Finds and fetches what MLModels point at.

    Args:
        settings: what may be fetched.
        http: web servers and S3 stores.
        files: this machine's files.
        secrets: the cluster's Secrets.
        environ: the operator's environment, with its own credentials for S3.
    """

    def __init__(
        self,
        settings: SourceSettings,
        http: HttpSource,
        files: FileSource,
        secrets: Secrets,
        environ: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._http = http
        self._files = files
        self._secrets = secrets
        self._own = of_environment(environ)

    async def stamp(self, namespace: str, spec: ModelSpec) -> str:
        """Returns what changes with the content a spec points at; empty where that cannot be told.

        Raises:
            Problem: it cannot be reached, or must not be.
        """
        if spec.sha256:  # the content is said to be this, so there is nothing to find out
            read_address(spec.address, self._settings)
            return spec.sha256
        match read_address(spec.address, self._settings):
            case S3Address() as address:
                return await self._http.stamp_object(address, await self._credentials(namespace, spec))
            case HttpsAddress(url):
                return await self._http.stamp(url)
            case FileAddress() as address:
                return await self._files.stamp(address)

    async def fetch(self, namespace: str, spec: ModelSpec, directory: Path) -> SourceFile:
        """Writes what a spec points at into a directory, under its own name.

        Raises:
            Problem: it cannot be had, must not be, or is not what `sha256` says.
        """
        address = read_address(spec.address, self._settings)
        to = directory / safe_name(address)
        match address:
            case S3Address():
                found = await self._http.fetch_object(address, await self._credentials(namespace, spec), to)
            case HttpsAddress(url):
                found = await self._http.fetch(url, to)
            case FileAddress():
                found = await self._files.fetch(address, to)
        if spec.sha256 and found.sha256 != spec.sha256:
            problem = f"{spec.address} has SHA-256 {found.sha256}; expected {spec.sha256}, as spec.sha256 says"
            raise Problem(Reason.CHECKSUM_MISMATCH, problem)
        return found

    async def _credentials(self, namespace: str, spec: ModelSpec) -> S3Credentials:
        if not spec.credentials_secret:
            return self._own
        name = spec.credentials_secret
        return of_secret(name, await self._secrets(namespace, name))
