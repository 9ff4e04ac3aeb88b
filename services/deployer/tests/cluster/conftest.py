"""A deployer whose platform is the Kubernetes that KUBECONFIG names; `make test-cluster` sees to one."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.cluster.settings import ClusterSettings

# Tests are not packages (import mode importlib), so what folders of them share is found by path.
sys.path.insert(0, str(Path(__file__).parents[1]))

LABEL = "app.kubernetes.io/managed-by=kea-deployer"
PATIENCE_SECONDS = 200.0
"""For one wait: the first build compiles and packs all that a model server needs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(400))


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that one test has for itself."""

    name: str

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl; returns what it prints."""
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "--namespace", self.name, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, problem = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"kubectl {' '.join(arguments)}: {problem.decode()}"
        return out.decode()

    async def get(self, *what: str) -> list[Any]:
        """Returns objects."""
        return json.loads(await self("get", *what, "--output", "json"))["items"]

    async def of_kea(self) -> set[str]:
        """Returns the names of all that a deployer made, and of the pods made of it."""
        kinds = "deployments,services,serviceaccounts,configmaps,networkpolicies,poddisruptionbudgets,pods"
        return set((await self("get", kinds, "--selector", LABEL, "--output", "name")).split())

    async def call(self, replica: Any, method: str, **body: Any) -> Any:
        """Calls a model server through the API server, which reaches pods wherever the test runs."""
        path = f"/api/v1/namespaces/{self.name}/pods/{replica.id}:8080/proxy/models/echo/{method}"
        return json.loads(await self("create", "--raw", path, "--filename", "-", stdin=json.dumps(body)))["result"]


@pytest.fixture
async def namespace() -> AsyncGenerator[Namespace, None]:
    """A namespace whose pods must be restricted. It goes in the background: pods take their time to drain."""
    made = Namespace(f"kea-test-{secrets.token_hex(4)}")
    await made("create", "namespace", made.name)
    try:
        await made("label", "namespace", made.name, "pod-security.kubernetes.io/enforce=restricted")
        yield made
    finally:
        await made("delete", "namespace", made.name, "--wait=false")


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Any:
    """PostgreSQL, as on a cluster: the platform has no tables of its own, and other tests have both kinds."""
    from kea_core.testing.databases import database_settings

    return database_settings("postgresql", Path(), str(request.getfixturevalue("postgresql")))


StartOnCluster = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def start_on_cluster(
    start_deployer: Any, settings: Any, namespace: Namespace, shared_directory: Path
) -> StartOnCluster:
    """Starts a deployer on the cluster; called again, the next one on the same database."""
    (settings.data_directory / "builds").symlink_to(shared_directory / "images")
    registry = os.environ["KEA_TEST_REGISTRY"]
    images = ImageSettings(repository=f"{registry}/models", base=f"{registry}/debian:12", plain_http=(registry,))
    cluster = ClusterSettings(
        kubeconfig=os.environ["KUBECONFIG"],
        namespace=namespace.name,
        drain_delay_seconds=1,
        cpu_request="20m",
        memory_request="64Mi",
        unschedulable_seconds=1.0,
    )
    return partial(start_deployer, patience=PATIENCE_SECONDS, platform="kubernetes", images=images, cluster=cluster)
