"""KEA as a company has it: people come by https from an edge, an identity provider says who they are, two gateways."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from edge import edge
from installation import ROOT, Installation, helm, install, lasting_storage, temporary
from kea.sdk import Client
from kea_core.testing.certificates import Authority
from kit.commands import wait_until
from namespaces import Namespace, Object
from openid_provider import SECRET, OpenIdProvider, Tls, openid_provider
from package_index import serve_packages
from programs import free_port
from visitor import Visitor

PROVIDERS = "identity-providers"
"""Secret with what auth is told of them."""
METHOD = "/models/grades/get_grades"
CLASS = {"student": "anton"}
GRADES = {"result": [1.0, 2.3]}
TOLD_SECONDS = 30.0
"""Longest time until what has happened is in the audit log: gateways send every second."""
HOLDS_SECONDS = 10.0
"""Longest time until a binding or a limit holds at every gateway."""
MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"
ACCOUNTS = {
    "ada": {"groups": ["engineers"]},
    "eve": {"groups": []},
    "grace": {"groups": ["engineers", "navy"]},
}


@dataclass(frozen=True, slots=True)
class Company:
    """KEA, and what stands around it."""

    kea: Installation
    provider: OpenIdProvider
    url: str
    """Where browsers reach it."""
    trust: ssl.SSLContext
    client: Client
    """The administrator's."""
    visitors: list[Visitor] = field(default_factory=list["Visitor"])

    def visit(self) -> Visitor:
        """Returns another browser."""
        self.visitors.append(Visitor(self.url, self.trust))
        return self.visitors[-1]

    def allow(self, member: str, role: str, on: str) -> None:
        """Binds a role, unless it is bound already."""
        done = self.kea.kea("auth", "bind", member, role, "--on", on)
        assert done.returncode in {0, 5}, done.stderr

    def gateways(self) -> list[str]:
        """Returns the addresses of the gateways' pods, each by itself."""
        component = "app.kubernetes.io/component=gateway"
        found = self.kea.namespace.get(".items[*].status.podIP", "pods", "--selector", component)
        return [f"http://{address}:8080" for address in found.split()]

    def events(self, *wanted: str) -> list[dict[str, Any]]:
        """Returns what `kea audit export` prints."""
        done = self.kea.kea("audit", "export", *wanted)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def told(self, count: int, *wanted: str) -> list[dict[str, Any]]:
        """Returns such events, the oldest first, once there are that many."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = self.events(*wanted)
            return len(found) >= count

        assert wait_until(there, TOLD_SECONDS), found
        return found


@contextmanager
def open_company(namespace: Namespace, directory: Path) -> Generator[Company, None, None]:
    """Brings all of it, with a model that is deployed, and takes it away."""
    host = namespace.registry.partition(":")[0]  # where pods reach this machine, as they reach the registry
    ports = {"edge": free_port(host), "provider": free_port(host)}
    url = f"https://{host}:{ports['edge']}"
    authority = Authority()
    issued = authority.issue(host)
    for name, content in issued.files.items():
        (directory / name).write_bytes(content)
    certificate, key = directory / "tls.crt", directory / "tls.key"
    tls = Tls(certificate, key, ssl.create_default_context(cafile=directory / "ca.crt"))
    with ExitStack() as stack:
        packages = replace(namespace, name=f"{namespace.name}-packages")
        for one in (packages, namespace):
            stack.enter_context(temporary(one))
        known = openid_provider("corp", url, ACCOUNTS, port=ports["provider"], host=host, tls=tls)
        provider = stack.enter_context(known)
        namespace.apply(_secret(provider, namespace.name, issued.authority.decode()))
        storage = lasting_storage(namespace, directory, "audit")
        values: dict[str, Any] = {
            "login": {"publicUrl": url, "providersSecret": PROVIDERS, "kubernetesApi": True, "privateDocs": True},
            "audit": {"storage": storage["audit"]},
            "gateway": {"replicas": 2, "trustedProxies": 1},
            "deployer": {"extraEnv": [{"name": "UV_DEFAULT_INDEX", "value": serve_packages(packages)}]},
            "customResources": {"enabled": False},
        }
        stack.callback(_take_away, namespace)
        kea = install(namespace, directory, values)
        stack.enter_context(edge(directory, (host, ports["edge"]), kea.url, certificate, key))
        company = Company(kea, provider, url, tls.trust, stack.enter_context(kea.client()))
        stack.callback(lambda: [visitor.close() for visitor in company.visitors])
        company.client.push("grades", ROOT / "examples" / "grades" / "grades.py")
        company.client.deploy("grades", timeout=150)
        company.allow("group:engineers", "consumer", "grades")
        yield company


def _take_away(namespace: Namespace) -> None:
    helm("--namespace", namespace.name, "uninstall", namespace.name, "--ignore-not-found", "--wait")
    labelled = ("-l", f"kea.dev/test={namespace.name}")
    namespace.kubectl("delete", "persistentvolume", *labelled, "--wait=false")


def _secret(provider: OpenIdProvider, namespace: str, authority: str) -> Object:
    """Returns the Secret with the list of providers, and what it names."""
    providers: list[dict[str, Any]] = [
        {
            "id": "corp",
            "title": "Example Corp",
            "issuer": provider.issuer,
            "client_id": "kea",
            "client_secret_file": "corp-secret",
            "ca_file": "corp-ca.crt",
            "scopes": ["openid", "profile", "email", "offline_access"],
        },
        {  # as docs/login.md has it, but for the subject
            "id": "cluster",
            "issuer": "https://kubernetes.default.svc.cluster.local",
            "trusted_for": ["exchange"],
            "audiences": ["kea"],
            "jwks_url": "https://kubernetes.default.svc/openid/v1/jwks",
            "ca_file": f"{MOUNTED}/ca.crt",
            "token_file": f"{MOUNTED}/token",
            "service_accounts": {f"system:serviceaccount:{namespace}:robot": "robot"},
        },
    ]
    content = {"providers.json": json.dumps({"providers": providers}), "corp-secret": SECRET, "corp-ca.crt": authority}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PROVIDERS}, "stringData": content}


def call(url: str, token: str, **more: Any) -> httpx.Response:
    """Calls the model, on a connection of its own, as a program does that has a token."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{url}{METHOD}", json=CLASS, headers=headers, timeout=15, trust_env=False, **more)
