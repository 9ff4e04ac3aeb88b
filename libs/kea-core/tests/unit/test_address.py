from __future__ import annotations

import pytest
from kea_core.address import has_name, split_address


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("unix:/run/kea/auth.sock", False),
        ("127.0.0.1:9090", False),
        ("[::1]:9090", False),
        ("kea-auth:9090", True),
        ("kea-auth.kea.svc:9090", True),
        ("localhost:9090", True),
    ],
)
def test_a_name_is_told_from_an_ip_address(address: str, *, named: bool) -> None:
    assert has_name(address) is named


def test_an_address_is_a_host_and_a_port() -> None:
    assert split_address("kea-auth:9090") == ("kea-auth", 9090)
    assert split_address("[::]:9090") == ("::", 9090)


@pytest.mark.parametrize("address", ["", "kea-auth", ":9090", "kea-auth:", "kea-auth:http", "kea-auth:65536"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        split_address(address)
