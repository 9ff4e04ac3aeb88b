from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A registry of Debian's on a free port that lets everybody in; gives `HOST:PORT`."""
    program = shutil.which("docker-registry")
    assert program is not None, "a registry is needed; on Debian: apt-get install docker-registry"
    directory: Path = tmp_path_factory.mktemp("registry")
    configuration = directory / "config.yml"
    configuration.write_text(
        "version: 0.1\n"
        "log: {level: info, formatter: text}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'data'}}}}}\n"
        "http: {addr: '127.0.0.1:0'}\n"
    )
    log = directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - the registry
            [program, "serve", str(configuration)], stderr=out, stdout=out, env={"OTEL_TRACES_EXPORTER": "none"}
        )
    try:
        yield _address(process, log)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(200):
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    problem = f"the registry does not listen: {log.read_text()[-300:]}"
    raise AssertionError(problem)
