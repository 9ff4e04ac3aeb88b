"""What goes on while auth is away, and what does not."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import psutil
import pytest
from platforms import KEA, RunningPlatform, environment, free_port, stop, until
from visitor import Visitor

PASSWORD = "correct horse battery"


@pytest.fixture
def apart(tmp_path: Path) -> Generator[RunningPlatform, None, None]:
    """A platform of which every service is a process of its own."""
    running = RunningPlatform(tmp_path / "data", free_port())
    command = [KEA, "up", "--detach", "--processes", "--port", str(running.port), "--data", str(running.data)]
    done = subprocess.run(command, env=environment(running), capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield running
    stop(running)


def test_tokens_go_on_and_login_answers_503_while_auth_is_away(apart: RunningPlatform) -> None:
    with apart.client() as admin:
        admin.post("/api/v1/users?user_id=ada", json={"password": PASSWORD}).raise_for_status()
        body = {"member": "users/ada", "role": "roles/viewer"}
        admin.post("/api/v1/bindings", json=body).raise_for_status()
    visitor = Visitor(apart.url)
    visitor.post("/login/local?return_to=/docs", {"user": "ada", "password": PASSWORD})
    assert visitor.api("/api/v1/projects/default/models").status_code == 200
    psutil.Process(apart.processes()["auth"]["pid"]).kill()  # it is started again, which takes longer than this
    assert visitor.api("/api/v1/projects/default/models").status_code == 200
    page = visitor.get("/login")
    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
    assert "Nobody can log in now" in page.text
    problem = httpx.post(f"{apart.url}/oauth/token", data={}, trust_env=False)
    assert problem.status_code == 503
    assert problem.headers["content-type"] == "application/problem+json"
    until(lambda: visitor.get("/login?return_to=/docs").status_code == 303)  # the session goes on
    visitor.close()
