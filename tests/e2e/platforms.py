"""Whole platforms for tests, started by the command that users start them with."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

KEA = str(Path(sys.executable).with_name("kea"))
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def free_port() -> int:
    """Returns a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """A platform that is up."""

    data: Path
    port: int
    database: str = ""
    """URL of a PostgreSQL database; empty for SQLite files."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def kea(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs the `kea` command against this platform."""
        done = subprocess.run(
            [KEA, *arguments], capture_output=True, text=True, timeout=110, check=False, env=environment(self)
        )
        assert not check or done.returncode == 0, f"kea {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def kea_json(self, *arguments: str) -> Any:
        """Runs the `kea` command and reads what it prints as JSON."""
        return json.loads(self.kea(*arguments, "-o", "json").stdout)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Returns the platform's processes by name, as `kea status` tells them."""
        return {entry["name"]: entry for entry in self.kea_json("status")["processes"]}

    def client(self) -> httpx.Client:
        """Returns an HTTP client that carries the admin's token."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=30, trust_env=False)


def environment(platform: RunningPlatform) -> dict[str, str]:
    """Returns an environment in which `kea` finds this platform and no other."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KEA_")}
    clean |= {"KEA_URL": platform.url, "KEA_HOME": str(platform.data.parent), "KEA_DATA": str(platform.data)}
    return clean | ({"KEA_DATABASE": platform.database} if platform.database else {})


def start(data: Path, *options: str, port: int | None = None, database: str = "") -> RunningPlatform:
    """Starts a platform on `data` and returns once it is ready."""
    platform = RunningPlatform(data, port or free_port(), database)
    platform.kea("up", "--detach", "--port", str(platform.port), "--data", str(data), *options)
    return platform


def stop(platform: RunningPlatform) -> None:
    """Stops a platform that may have stopped already."""
    platform.kea("down", "--data", str(platform.data), check=False)


def until(condition: Any, seconds: float = 20.0) -> Any:
    """Returns the first true value of `condition`, asked again and again.

    What other processes do raises no event here.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)


def save_iris(directory: Path) -> tuple[Path, Path]:
    """Trains the iris model; returns its file and a file with an example."""
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, labels = load_iris(return_X_y=True)
    model = directory / "iris.joblib"
    joblib.dump(LogisticRegression(max_iter=1000).fit(features, labels), model)
    example = directory / "example.json"
    example.write_text(json.dumps({"input": [[5.1, 3.5, 1.4, 0.2]]}))
    return model, example
