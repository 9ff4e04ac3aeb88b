from __future__ import annotations

import pytest
from kea_sdk import SettingsError
from kea_sdk.address import checked, is_loopback, port_of, same_place


@pytest.mark.parametrize(
    ("given", "one_form"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        (" http://127.0.0.1:8080/ ", "http://127.0.0.1:8080"),
        ("HTTPS://Kea.Example.COM", "https://kea.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://kea_gateway", "http://kea_gateway"),
    ],
)
def test_an_address_has_one_form(given: str, one_form: str) -> None:
    assert checked(given) == one_form


@pytest.mark.parametrize(
    "given",
    [
        "",
        "kea.example.com",
        "ftp://kea",
        "http://",
        "http://kea:0",
        "http://kea:70000",
        "http://kea:x",
        "http://kea/models",
        "http://kea?x",
        "http://kea#x",
        "http://two words",
        "http://[::zz]",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match=r"is not KEA's address; expected http://HOST:PORT"):
        checked(given)


def test_a_password_in_an_address_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError) as caught:
        checked("http://anton:hunter2@kea")
    assert "hunter2" not in str(caught.value)


def test_all_names_of_loopback_are_one_host() -> None:
    assert same_place("http://127.0.0.1:8080", "http://localhost:8080")
    assert same_place("http://[::1]:80", "http://127.0.0.2")
    assert not same_place("http://127.0.0.1:8080", "http://127.0.0.1:8081")
    assert not same_place("http://127.0.0.1:443", "https://127.0.0.1")
    assert not same_place("http://kea:8080", "http://127.0.0.1:8080")


def test_ports_that_are_not_named_follow_from_the_scheme() -> None:
    assert [port_of(url) for url in ("http://kea", "https://kea", "http://kea:1")] == [80, 443, 1]


def test_only_loopback_is_this_machine_alone() -> None:
    assert [is_loopback(f"http://{host}") for host in ("localhost", "127.9.9.9", "[::1]", "0.0.0.0", "kea")] == [
        *(True, True, True),
        *(False, False),
    ]
