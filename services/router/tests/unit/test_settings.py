from __future__ import annotations

from pathlib import Path

import pytest
from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, SettingsError, read_settings, to_environment
from kea_router.main import backends_of
from kea_router.settings import RouterSettings

ENVIRONMENT = {
    "KEA_ROUTER_ADDRESS": "unix:/run/router",
    "KEA_ROUTER_XDS_ADDRESS": "unix:/run/xds",
    "KEA_ROUTER_AUTH_ADDRESS": "unix:/run/auth",
    "KEA_ROUTER_REGISTRY_ADDRESS": "unix:/run/registry",
    "KEA_ROUTER_DEPLOYER_ADDRESS": "deployer:8000",
    "KEA_ROUTER_PORTAL_HTTP_ADDRESS": "unix:/run/http",
    "KEA_ROUTER_PORTAL_GRPC_ADDRESS": "unix:/run/grpc",
    "KEA_ROUTER_DATABASE_URL": "sqlite:////var/lib/kea/router.db",
    "KEA_ROUTER_CREDENTIAL_FILE": "/run/secrets/router",
}


def test_settings_are_read_from_the_environment_and_written_back() -> None:
    settings = read_settings(RouterSettings, "KEA_ROUTER", ENVIRONMENT)
    assert settings.deployer_address == "deployer:8000"
    assert settings.credential_file == Path("/run/secrets/router")
    assert settings.database == DatabaseSettings(url="sqlite:////var/lib/kea/router.db")
    assert settings.drain == DrainSettings()
    assert to_environment(settings, "KEA_ROUTER") == ENVIRONMENT


def test_envoy_calls_the_router_where_it_can_be_called() -> None:
    own = {"KEA_ROUTER_ADDRESS": "[::]:9090"}
    settings = read_settings(RouterSettings, "KEA_ROUTER", ENVIRONMENT | own)
    assert backends_of(settings).router == "[::]:9090"
    public = {"KEA_ROUTER_PUBLIC_ADDRESS": "kea-router:9090"}
    settings = read_settings(RouterSettings, "KEA_ROUTER", ENVIRONMENT | own | public)
    assert backends_of(settings).router == "kea-router:9090"


@pytest.mark.parametrize("key", ENVIRONMENT)
def test_nothing_may_be_missing(key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        read_settings(RouterSettings, "KEA_ROUTER", {k: v for k, v in ENVIRONMENT.items() if k != key})
