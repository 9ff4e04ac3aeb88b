from __future__ import annotations

import logging
from pathlib import Path

import pytest
from kea_core.settings import SettingsError
from kea_core.testing.certificates import Authority, mount
from kea_core.tls import Tls, open_tls


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_empty_setting_is_plaintext_and_a_wrong_one_an_error(tmp_path: Path) -> None:
    assert open_tls("") is None
    with pytest.raises(SettingsError, match=f"{tmp_path}/tls.crt cannot be read"):
        open_tls(str(tmp_path))


def test_a_renewed_certificate_is_taken_at_the_next_look(tmp_path: Path) -> None:
    authority, watch = Authority(), Watch()
    tls = Tls(mount(tmp_path, authority.issue("a").files), look_seconds=10, monotonic=watch)
    first = tls.identity()
    renewed = authority.issue("a")
    mount(tmp_path, renewed.files)
    watch.now = 9.0
    assert tls.identity() is first
    watch.now = 10.0
    assert tls.identity().certificate == renewed.certificate


def test_an_identity_is_the_same_object_as_long_as_nothing_is_new(tmp_path: Path) -> None:
    files = Authority().issue("a").files
    tls = Tls(mount(tmp_path, files), look_seconds=0)
    first = tls.identity()
    mount(tmp_path, files)
    assert tls.identity() is first


def test_the_last_good_identity_is_kept_where_the_new_one_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority()
    first, second = authority.issue("a"), authority.issue("a")
    tls = Tls(mount(tmp_path, first.files), look_seconds=0)
    mount(tmp_path, {**second.files, "tls.key": first.key})
    with caplog.at_level(logging.ERROR):
        assert [tls.identity().certificate for _ in range(3)] == [first.certificate] * 3
    (told,) = caplog.records
    assert "is not the key of the certificate" in vars(told)["problem"]
    mount(tmp_path, second.files)
    assert tls.identity().certificate == second.certificate
