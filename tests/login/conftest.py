"""A platform at which people log in, and two identity providers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from login_site import ACCOUNTS, OTHERS, Site
from openid_provider import SECRET, free_port, openid_provider
from platforms import KEA, RunningPlatform, environment, stop
from visitor import Visitor


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site, None, None]:
    directory = tmp_path_factory.mktemp("login")
    running = RunningPlatform(directory / "data", free_port())
    ports = {"corp": free_port(), "lab": free_port()}
    file = directory / "providers.json"
    (directory / "secret").write_text(SECRET + "\n")
    providers: list[dict[str, Any]] = [
        {
            "id": name,
            "title": name.capitalize(),
            "issuer": f"http://127.0.0.1:{port}",
            "client_id": "kea",
            "client_secret_file": "secret",
            "scopes": ["openid", "profile", "email", *(["offline_access"] if name == "corp" else [])],
            "trusted_for": ["login", "exchange"],
            "audiences": ["kea"],
            "exchange_users": True,
            "service_accounts": {"robot": "robot"},
        }
        for name, port in ports.items()
    ]
    file.write_text(json.dumps({"providers": providers}))
    told = {"KEA_AUTH_LOGIN_PROVIDERS_FILE": str(file)}
    with (
        openid_provider("corp", running.url, ACCOUNTS, port=ports["corp"]) as corp,
        openid_provider("lab", running.url, OTHERS, port=ports["lab"]) as lab,
    ):
        command = [KEA, "up", "--detach", "--port", str(running.port), "--data", str(running.data)]
        done = subprocess.run(
            command, env=environment(running) | told, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            yield Site(running, corp, lab)
        finally:
            stop(running)


@pytest.fixture
def visit(site: Site) -> Generator[Callable[[], Visitor], None, None]:
    visitors: list[Visitor] = []

    def make() -> Visitor:
        visitors.append(Visitor(site.url))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def visitor(visit: Callable[[], Visitor]) -> Visitor:
    return visit()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
