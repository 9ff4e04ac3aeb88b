from __future__ import annotations

from pathlib import Path

import pytest
from kea_core.settings import Secret
from kea_sdk.platform.options import UpOptions


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("::", "http://[::1]:80"),
        ("192.0.2.7", "http://192.0.2.7:80"),
    ],
)
def test_the_platform_is_reached_from_this_machine(host: str, url: str) -> None:
    assert UpOptions(data=Path(), host=host, port=80).url == url


def test_a_databases_password_does_not_show() -> None:
    assert "hunter2" not in repr(UpOptions(data=Path(), database=Secret("postgresql://a:hunter2@db")))
