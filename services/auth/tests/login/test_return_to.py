from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_auth.login.return_to import HOME, asked_return, safe_return


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "evil", "", "javascript:x"),
        *(
            "/a\nb",
            "/a b",
            "/\t/evil",
            "/é",
            "/a\\b",
            "/" + "x" * 3000,
            "/login",
            "/login?x",
            "/logout",
            "/oauth/token",
        ),
    ],
)
def test_nobody_is_sent_there(path: str) -> None:
    assert safe_return(path) == HOME


@pytest.mark.parametrize("path", ["/", "/docs?q=a&b=c", "/models/iris/docs", "/loginpage", "/a%2Fb?x=%0A//"])
def test_own_pages_are_where_one_comes_back_to(path: str) -> None:
    assert safe_return(path) == path


def test_the_path_is_all_that_follows() -> None:
    assert asked_return("return_to=/docs?a=1&b=%2F&return_to=/x") == "/docs?a=1&b=%2F&return_to=/x"
    assert asked_return("x=1&return_to=/docs") == "/docs"
    assert asked_return("return_to=%2Fdocs%3Fa%3D1") == "/docs?a=1"
    assert asked_return("return_to=%2F%2Fevil.example") == HOME
    assert asked_return("") == HOME


@given(st.text())
def test_it_is_always_a_path_of_this_host(query: str) -> None:
    found = asked_return(f"return_to={query}")
    assert found.startswith("/")
    assert found[1:2] not in {"/", "\\"}
    assert found.isascii()
    assert not any(letter.isspace() for letter in found)
