"""A real S3 API for tests: versitygw, which serves a directory."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A running server; what is in a bucket lies in a directory of that name."""

    url: str
    access_key: str
    secret_key: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What Amazon's clients, and those made like them, take it from."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self, name: str) -> Path:
        """Makes a bucket; returns its directory."""
        bucket = self.directory / name
        bucket.mkdir()
        return bucket


@contextmanager
def object_store(directory: Path, host: str = "127.0.0.1") -> Generator[ObjectStore, None, None]:
    """Starts a server on a port of its own, at an address of this machine, and stops it.

    Raises:
        FileNotFoundError: `versitygw` is not in PATH; `make test-cluster` puts it there.
    """
    program = shutil.which("versitygw")
    if program is None:
        problem = "versitygw is not in PATH; `make test-cluster` puts it there"
        raise FileNotFoundError(problem)
    with socket.create_server((host, 0)) as free:
        address = f"{host}:{free.getsockname()[1]}"
    made = ObjectStore(f"http://{address}", f"key{secrets.token_hex(4)}", secrets.token_hex(20), directory)
    keys = {"ROOT_ACCESS_KEY": made.access_key, "ROOT_SECRET_KEY": made.secret_key}
    with (directory.parent / f"{directory.name}.log").open("wb") as log:
        command = (program, "--port", address, "posix", str(directory))
        process = subprocess.Popen(command, env=os.environ | keys, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        _await(address, process)
        yield made
    finally:
        process.terminate()
        process.wait(10)


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
