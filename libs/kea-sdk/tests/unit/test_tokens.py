from __future__ import annotations

from pathlib import Path

import pytest
from kea_sdk.tokens import BearerToken


def test_a_given_token_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("other")
    token = BearerToken("given", tmp_path / "token")
    assert (token.value(), token.renew(), token.value()) == ("given", False, "given")


def test_a_file_that_comes_later_is_read_then(tmp_path: Path) -> None:
    token = BearerToken(file=tmp_path / "token")
    assert (token.value(), token.renew()) == ("", False)
    (tmp_path / "token").write_text("first\n")
    assert (token.value(), token.renew()) == ("first", False)
    (tmp_path / "token").write_text("second\n")
    assert (token.renew(), token.value()) == (True, "second")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"two words", b"x" * 100_000, b"", b" \n"])
def test_a_file_with_something_else_has_no_token(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    assert BearerToken(file=tmp_path / "token").value() == ""


def test_a_directory_is_no_token(tmp_path: Path) -> None:
    assert BearerToken(file=tmp_path).value() == ""
