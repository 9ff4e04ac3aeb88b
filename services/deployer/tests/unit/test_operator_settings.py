from __future__ import annotations

from pathlib import Path

import pytest
from kea_core.settings import SettingsError, read_settings
from kea_deployer.operator.settings import OperatorSettings

REQUIRED = {
    "KEA_OPERATOR_ADDRESS": "[::]:9090",
    "KEA_OPERATOR_AUTH_ADDRESS": "auth:9090",
    "KEA_OPERATOR_REGISTRY_ADDRESS": "registry:9090",
    "KEA_OPERATOR_DEPLOYER_ADDRESS": "deployer:9090",
    "KEA_OPERATOR_ROUTER_ADDRESS": "router:9090",
    "KEA_OPERATOR_CREDENTIAL_FILE": "/run/secrets/kea/operator",
    "KEA_OPERATOR_DATA_DIRECTORY": "/var/lib/kea",
    "KEA_OPERATOR_LEASE_NAMESPACE": "kea",
}


def test_everything_is_set_by_the_environment() -> None:
    more = {
        "KEA_OPERATOR_NAMESPACES": "team-a, team-b",
        "KEA_OPERATOR_SOURCES_SCHEMES": "file",
        "KEA_OPERATOR_SOURCES_FILE_ROOTS": "/models",
        "KEA_OPERATOR_SOURCES_MAX_BYTES": "1000",
        "KEA_OPERATOR_SOURCES_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }
    made = read_settings(OperatorSettings, "KEA_OPERATOR", REQUIRED | more)
    assert made.namespaces == ("team-a", "team-b")
    assert made.credential_file == Path("/run/secrets/kea/operator")
    assert made.sources.allowed_networks == ("127.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROJECT", "Not A Project"),
        ("FETCHES_AT_ONCE", "0"),
        ("RESYNC_SECONDS", "0"),
        ("SOURCES_SCHEMES", "file"),
        ("SOURCES_MAX_BYTES", "-1"),
        ("SOURCES_ALLOWED_NETWORKS", "everywhere"),
        ("UNHEARD_OF", "1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(name: str, value: str) -> None:
    with pytest.raises(SettingsError):
        read_settings(OperatorSettings, "KEA_OPERATOR", {**REQUIRED, f"KEA_OPERATOR_{name}": value})
