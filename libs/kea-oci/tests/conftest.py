from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

START_SECONDS = 10.0
HTPASSWD = "kea:$2b$04$.o9juawfSXjuOqkMwjl5vumxMq3AHDA1TkZt94l/okiPOIalBiqhG\n"
"""The user `kea` with the password `secret`."""


@contextlib.asynccontextmanager
async def serve_registry(directory: Path, auth: str = "") -> AsyncGenerator[str]:
    """Runs Debian's registry on a free port; gives `HOST:PORT`."""
    program = shutil.which("docker-registry")
    assert program is not None, "a registry is needed; on Debian: apt-get install docker-registry"
    configuration = await asyncio.to_thread(_configure, directory, auth)
    process = await asyncio.create_subprocess_exec(
        program,
        "serve",
        str(configuration),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"OTEL_TRACES_EXPORTER": "none"},
    )
    try:
        assert process.stderr is not None
        address = ""
        async with asyncio.timeout(START_SECONDS):
            while not address:
                line = await process.stderr.readline()
                assert line, "the registry ended before it listened"
                found = re.search(rb"listening on (127\.0\.0\.1:\d+)", line)
                address = found[1].decode() if found else ""
        reading = asyncio.ensure_future(process.stderr.read())
        yield address
        process.terminate()
        await reading
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _configure(directory: Path, auth: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "htpasswd").write_text(HTPASSWD)
    configuration = directory / "config.yml"
    configuration.write_text(
        "version: 0.1\n"
        "log: {level: info, formatter: text}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'data'}}}, delete: {{enabled: true}}}}\n"
        "http: {addr: '127.0.0.1:0'}\n"
        f"{auth}"
    )
    return configuration


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[str]:
    """A registry that lets everybody in."""
    async with serve_registry(tmp_path / "registry") as address:
        yield address


@pytest.fixture
async def closed_registry(tmp_path: Path) -> AsyncGenerator[str]:
    """A registry that wants a name and a password."""
    path = tmp_path / "closed" / "htpasswd"
    async with serve_registry(path.parent, f"auth: {{htpasswd: {{realm: kea, path: {path}}}}}\n") as address:
        yield address
