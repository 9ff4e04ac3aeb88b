"""Certificates for KEA's pods, and what these make of them, seen from this machine."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import grpc
from cryptography.x509 import load_pem_x509_certificate
from grpc_health.v1 import health_pb2, health_pb2_grpc
from installation import CHART, Installation, pods_of
from kea_core.testing.certificates import Authority, Issued
from kit.commands import wait_until

COMPONENTS = ("auth", "registry", "deployer", "router", "gateway", "operator")
CERTIFICATES = """
from pathlib import Path
from kea_gateway.envoy.drain import _ask
print(_ask(Path("/run/kea/envoy/admin.sock"), "GET", "/certs").decode())
"""
"""Asks an Envoy, in its container, for the certificates that it shows."""


def host(kea: Installation, component: str) -> str:
    """Returns the name of a component's Service."""
    return f"{kea.namespace.name}-{component}"


def secret_name(component: str) -> str:
    """Returns the name of the Secret with a component's certificate."""
    return f"given-{component}"


def give_certificates(kea: Installation, authority: Authority) -> dict[str, Issued]:
    """Puts new certificates into the Secrets, by component; pods are told at once, not within a minute or two."""
    issued = {component: authority.issue(host(kea, component)) for component in COMPONENTS}
    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": secret_name(component)},
            "data": {name: base64.b64encode(content).decode() for name, content in found.files.items()},
        }
        for component, found in issued.items()
    ]
    kea.namespace.apply(*secrets)
    version = issued["auth"].certificate.hex()[-40:]  # a kubelet looks at a pod's Secrets when the pod changes
    kea.namespace("annotate", "pods", "--all", "--overwrite", f"kea.dev/test={version}")
    return issued


def turn_on(kea: Installation) -> None:
    """Has all of KEA speak mutual TLS, by these Secrets."""
    secrets = {component: secret_name(component) for component in COMPONENTS}
    _upgrade(kea, {"enabled": True, "secrets": secrets})


def turn_off(kea: Installation) -> None:
    """Has all of KEA speak plaintext, and takes the Secrets away."""
    _upgrade(kea, {"enabled": False})
    kea.namespace("delete", "secret", *(secret_name(component) for component in COMPONENTS), "--ignore-not-found")


def _upgrade(kea: Installation, mtls: dict[str, Any]) -> None:
    values = kea.directory / "mtls.json"
    values.write_text(json.dumps({"mtls": mtls}))
    more = ("--reuse-values", "--values", values, "--wait", "--timeout", "5m")
    kea.helm("upgrade", kea.namespace.name, CHART, *more)
    # Gateways that still drain do not understand the services behind them any more.
    assert wait_until(lambda: not any(pod.ending for pod in pods_of(kea.namespace)), 120)


@contextmanager
def forwarded(kea: Installation, component: str) -> Generator[str, None, None]:
    """Yields an address of this machine that leads to a component's gRPC port, past all network policies."""
    with kea.namespace.lines("port-forward", f"service/{host(kea, component)}", ":9090") as lines:
        yield f"127.0.0.1:{next(lines).split(' -> ')[0].rpartition(':')[2]}"


def health_of(kea: Installation, component: str, issued: Issued | None) -> str:
    """Returns the health that a component tells whoever has this certificate, or none, or the code of its refusal."""
    with forwarded(kea, component) as address:
        if issued is None:
            channel = grpc.insecure_channel(address)
        else:
            credentials = grpc.ssl_channel_credentials(issued.authority, issued.key, issued.certificate)
            options = [("grpc.ssl_target_name_override", host(kea, component))]
            channel = grpc.secure_channel(address, credentials, options)
        with channel:
            stub: Any = cast("Any", health_pb2_grpc.HealthStub(channel))
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.RpcError as error:
                return cast("grpc.Call", error).code().name
            return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def shown_by_service(kea: Installation, component: str) -> int:
    """Returns the serial number of the certificate that a component's server shows."""
    with forwarded(kea, component) as address:
        name, _, port = address.rpartition(":")
        return _serial(ssl.get_server_certificate((name, int(port))).encode())


def shown_by_envoy(kea: Installation) -> set[int]:
    """Returns the serial numbers of the certificates that an Envoy shows."""
    deployment = f"deployment/{host(kea, 'gateway')}"
    told = kea.namespace.exec(deployment, "-c", "envoy", "--", "python3", "-P", "-c", CERTIFICATES)
    return {
        int(found["serial_number"], 16) for entry in json.loads(told)["certificates"] for found in entry["cert_chain"]
    }


def _serial(certificate: bytes) -> int:
    return load_pem_x509_certificate(certificate).serial_number


def serial_of(issued: Issued) -> int:
    """Returns the serial number of a certificate."""
    return _serial(issued.certificate)
