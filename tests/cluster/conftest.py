"""The cluster under test: the one that KUBECONFIG names. Nothing here starts one; `make test-cluster` does."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parents[1] / "login"))
sys.path.insert(0, str(Path(__file__).parent))

from company import Company, open_company
from kit.commands import run
from kit.kubectl import Kubectl
from namespaces import Namespace
from workloads import start_web, web_pods

COMMAND_LINE = Path(__file__).with_name("cluster.py")


def given(name: str) -> str:
    value = os.environ.get(name)
    assert value, f"{name} is not set; `make test-cluster` sets it"
    return value


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """The cluster, by its command line."""
    given("KUBECONFIG")
    program = shutil.which("kubectl")
    assert program, "kubectl is not in PATH; `make test-cluster` puts it there for a node of its own"
    return Kubectl(Path(program), {})


@pytest.fixture(scope="session")
def registry() -> str:
    """HOST:PORT of a registry with the base image in it; pushed to from here, pulled from by the cluster."""
    return given("KEA_TEST_REGISTRY")


@pytest.fixture(scope="session")
def kit() -> Callable[..., str]:
    """The command line of our own node, which KUBECONFIG names."""

    def call(*args: object) -> str:
        return run(sys.executable, COMMAND_LINE, *args, timeout=200)

    return call


@pytest.fixture(scope="session")
def company(
    kubectl: Kubectl, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Company, None, None]:
    """KEA with two gateways, an identity provider, a way in by https, and an audit log on a volume; for all tests."""
    namespace = Namespace(f"kea-test-{secrets.token_hex(4)}", kubectl, registry)
    with open_company(namespace, tmp_path_factory.mktemp("company")) as made:
        yield made


@pytest.fixture
def namespace(kubectl: Kubectl, registry: str) -> Generator[Namespace, None, None]:
    """A namespace in which pods can be made. It goes in the background: pods take their time to end."""
    name = f"kea-test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        made = Namespace(name, kubectl, registry)
        made.wait("create", "serviceaccount/default")
        yield made
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def web_pod(namespace: Namespace) -> str:
    """The only pod of a web server that answers."""
    start_web(namespace)
    return web_pods(namespace)[0]
