from __future__ import annotations

from pathlib import Path

import pytest
from kea_core.settings import DrainSettings, SettingsError, read_settings, to_environment
from kea_deployer.settings import DeployerSettings

NEEDED = {
    "KEA_DEPLOYER_ADDRESS": "unix:/run/deployer.sock",
    "KEA_DEPLOYER_AUTH_ADDRESS": "unix:/run/auth.sock",
    "KEA_DEPLOYER_REGISTRY_ADDRESS": "unix:/run/registry.sock",
    "KEA_DEPLOYER_DATABASE_URL": "sqlite:////data/deployer.db",
    "KEA_DEPLOYER_CREDENTIAL_FILE": "/run/deployer.secret",
    "KEA_DEPLOYER_DATA_DIRECTORY": "/data/deployer",
    "KEA_DEPLOYER_SOCKET_DIRECTORY": "/run/r",
}


def read(**changes: str) -> DeployerSettings:
    more = {f"KEA_DEPLOYER_{key.upper()}": value for key, value in changes.items()}
    return read_settings(DeployerSettings, "KEA_DEPLOYER", NEEDED | more)


def test_defaults_are_what_is_promised() -> None:
    settings = read()
    assert (settings.lifeline_fd, settings.keep_replicas_on_stop) == (-1, False)
    assert (settings.health_interval_seconds, settings.health_timeout_seconds, settings.health_failures) == (2, 2, 5)
    assert settings.start_timeout_seconds == 120
    assert (settings.drain_seconds, settings.drain_delay_seconds) == (10, 0.5)
    assert settings.max_artifact_bytes == 16 * 1024**3
    assert (settings.max_log_bytes, settings.max_body_bytes) == (10 * 1024**2, 128 * 1024**2)
    assert settings.drain == DrainSettings()
    assert to_environment(settings, "KEA_DEPLOYER") == NEEDED


@pytest.mark.parametrize(
    "key",
    [
        "health_interval_seconds",
        "health_timeout_seconds",
        "health_failures",
        "start_timeout_seconds",
        "max_artifact_bytes",
        "max_log_bytes",
        "max_body_bytes",
    ],
)
def test_what_cannot_work_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is 0"):
        read(**{key: "0"})


@pytest.mark.parametrize("key", ["drain_seconds", "drain_delay_seconds"])
def test_draining_may_take_no_time_but_not_less(key: str) -> None:
    read(**{key: "0"})
    with pytest.raises(SettingsError, match=key):
        read(**{key: "-1"})


def test_a_directory_whose_sockets_could_not_be_bound_is_refused() -> None:
    longest = Path("/" + "x" * 92)
    assert read(socket_directory=str(longest)).socket_directory == longest
    with pytest.raises(SettingsError, match="socket_directory"):
        read(socket_directory=f"{longest}x")
