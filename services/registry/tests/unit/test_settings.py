from __future__ import annotations

import pytest
from kea_core.settings import DrainSettings, SettingsError, read_settings
from kea_registry.settings import PREFIX, RegistrySettings

NEEDED = {
    "KEA_REGISTRY_ADDRESS": "unix:/run/registry.sock",
    "KEA_REGISTRY_AUTH_ADDRESS": "unix:/run/auth.sock",
    "KEA_REGISTRY_CREDENTIAL_FILE": "/run/secrets/registry",
    "KEA_REGISTRY_DATABASE_URL": "sqlite:////data/registry.db",
    "KEA_REGISTRY_ARTIFACTS_URL": "/data/artifacts",
}


def test_defaults_are_what_the_contract_says() -> None:
    settings = read_settings(RegistrySettings, PREFIX, NEEDED)
    assert settings.max_artifact_bytes == 16 * 1024**3
    assert settings.orphan_age_seconds == 3600
    assert settings.sweep_seconds == 600
    assert settings.drain == DrainSettings()


@pytest.mark.parametrize("key", ["MAX_ARTIFACT_BYTES", "ORPHAN_AGE_SECONDS", "SWEEP_SECONDS"])
def test_what_cannot_work_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=key.lower()):
        read_settings(RegistrySettings, PREFIX, NEEDED | {f"KEA_REGISTRY_{key}": "0"})
