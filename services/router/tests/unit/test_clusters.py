from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from kea_router.translate.management_routes import Backends, management_resources
from kea_router.xds.resource import CLUSTER

BACKENDS = Backends(
    auth="kea-auth:9090",
    registry="10.0.0.7:9090",
    deployer="[fd00::1]:9090",
    router="kea-router.kea.svc:9090",
    portal_http="unix:/run/portal",
    portal_grpc="unix:/run/reflection",
)


def clusters(backends: Backends) -> dict[str, Any]:
    resources = [resource for resource in management_resources(backends) if resource.key.type_url == CLUSTER]
    return {resource.key.name: cluster_pb2.Cluster.FromString(resource.body.value) for resource in resources}


def context_of(cluster: Any) -> Any:
    assert cluster.transport_socket.name == "envoy.transport_sockets.tls"
    return tls_pb2.UpstreamTlsContext.FromString(cluster.transport_socket.typed_config.value)


def test_services_are_spoken_to_in_plaintext_unless_there_is_tls() -> None:
    assert not any(cluster.HasField("transport_socket") for cluster in clusters(BACKENDS).values())


@pytest.mark.parametrize(
    ("name", "indication", "kind", "host"),
    [
        ("auth", "kea-auth", "DNS", "kea-auth"),
        ("router", "kea-router.kea.svc", "DNS", "kea-router.kea.svc"),
        ("registry", "", "IP_ADDRESS", "10.0.0.7"),
        ("deployer", "", "IP_ADDRESS", "fd00::1"),
    ],
)
def test_a_service_must_have_the_certificate_of_its_host(name: str, indication: str, kind: str, host: str) -> None:
    context = context_of(clusters(replace(BACKENDS, tls=True))[name])
    common = context.common_tls_context
    (allowed,) = common.combined_validation_context.default_validation_context.match_typed_subject_alt_names
    assert (context.sni, allowed.matcher.exact) == (indication, host)
    assert type(allowed).SanType.Name(allowed.san_type) == kind
    assert list(common.alpn_protocols) == ["h2"]


def test_certificates_are_named_by_files_of_envoys_own() -> None:
    common = context_of(clusters(replace(BACKENDS, tls=True))["auth"]).common_tls_context
    named = [*common.tls_certificate_sds_secret_configs]
    named.append(common.combined_validation_context.validation_context_sds_secret_config)
    paths = [(secret.name, secret.sds_config.path_config_source.path) for secret in named]
    assert paths == [("identity", "./identity.json"), ("authorities", "./authorities.json")]


def test_sockets_of_envoys_own_machine_are_plaintext_in_any_case() -> None:
    found = clusters(replace(BACKENDS, tls=True))
    assert {name for name, cluster in found.items() if not cluster.HasField("transport_socket")} == {
        "portal",
        "portal-grpc",
    }
