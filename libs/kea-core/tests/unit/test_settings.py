from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.settings import DrainSettings, Secret, SettingsError, read_settings, to_environment


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    address: str
    count: int = 3
    enabled: bool = False
    folder: Path = Path("/tmp")
    names: tuple[str, ...] = ()
    secret: Secret = dataclasses.field(default_factory=lambda: Secret(""))
    drain: DrainSettings = dataclasses.field(default_factory=DrainSettings)


TEXT = st.text(st.characters(codec="ascii", exclude_characters=",\0", categories=("L", "N", "P")), min_size=1)


@given(
    st.builds(
        Example,
        address=TEXT,
        count=st.integers(),
        enabled=st.booleans(),
        folder=TEXT.map(Path),
        names=st.lists(TEXT).map(tuple),
        secret=TEXT.map(Secret),
        drain=st.builds(DrainSettings, grace_seconds=st.floats(0, 100)),
    )
)
def test_settings_survive_the_way_through_an_environment(settings: Example) -> None:
    assert read_settings(Example, "KEA_X", to_environment(settings, "KEA_X")) == settings


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "KEA_X_ADDRESS must be set"),
        ({"KEA_X_ADDRESS": "a", "KEA_X_COUNT": "many"}, "KEA_X_COUNT"),
        ({"KEA_X_ADDRESS": "a", "KEA_X_CUONT": "1"}, "KEA_X_CUONT is not a setting"),
        ({"KEA_X_ADDRESS": "a", "KEA_X_ENABLED": "perhaps"}, "expected true or false"),
    ],
)
def test_what_is_wrong_is_told_by_the_variable(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_settings(Example, "KEA_X", environ)


def test_a_secret_shows_itself_only_when_asked() -> None:
    settings = Example(address="a", secret=Secret("hidden"))
    assert "hidden" not in f"{settings!r} {settings.secret} {settings.secret!r} {settings.secret:>9}"
    assert settings.secret.reveal() == "hidden"


def test_the_promised_defaults_of_draining() -> None:
    assert DrainSettings() == DrainSettings(unready_seconds=0.0, grace_seconds=10.0)
