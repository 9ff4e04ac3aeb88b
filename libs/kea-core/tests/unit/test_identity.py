from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from kea_core.identity import read_identity
from kea_core.settings import SettingsError
from kea_core.testing.certificates import DAY, Authority, mount

HOUR = timedelta(hours=1)


def refusal(directory: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_identity(directory, datetime.now(UTC))
    return str(caught.value)


def test_an_identity_is_read_as_cert_manager_writes_it(tmp_path: Path) -> None:
    issued = Authority().issue("a")
    found = read_identity(mount(tmp_path / "tls", issued.files), datetime.now(UTC))
    assert (found.certificate, found.key, found.authorities) == (issued.certificate, issued.key, issued.authority)
    assert timedelta() < found.expires_at - datetime.now(UTC) < DAY


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_file_that_is_missing_or_no_pem_is_named(tmp_path: Path, name: str) -> None:
    files = Authority().issue("a").files
    path = mount(tmp_path / "tls", files) / name
    mount(tmp_path / "tls", {**files, name: b"nonsense"})
    assert refusal(tmp_path / "tls").startswith(f"tls_directory: {path} has no ")
    path.unlink()
    assert refusal(tmp_path / "tls") == f"tls_directory: {path} cannot be read: No such file or directory"


def test_a_directory_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    mount(tmp_path, Authority().issue("a").files)
    (tmp_path / "ca.crt").unlink()
    (tmp_path / "ca.crt").mkdir()
    assert refusal(tmp_path) == f"tls_directory: {tmp_path / 'ca.crt'} cannot be read: Is a directory"


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority()
    mount(tmp_path, {**authority.issue("a").files, "tls.key": authority.issue("a").key})
    assert f"{tmp_path / 'tls.key'} is not the key of the certificate in {tmp_path / 'tls.crt'}" in refusal(tmp_path)


@pytest.mark.parametrize(("begins", "ends"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_a_certificate_that_is_not_good_now_is_refused(tmp_path: Path, begins: timedelta, ends: timedelta) -> None:
    mount(tmp_path, Authority().issue("a", begins=begins, ends=ends).files)
    assert f"the certificate in {tmp_path / 'tls.crt'} is good from " in refusal(tmp_path)


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    issued = Authority().issue("a")
    key = load_pem_private_key(issued.key, None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    mount(tmp_path, {**issued.files, "tls.key": locked})
    assert "has no private key as PEM that needs no password" in refusal(tmp_path)


def test_a_key_is_in_no_repr_and_in_no_refusal(tmp_path: Path) -> None:
    issued = Authority().issue("a")
    line = issued.key.decode().splitlines()[1]
    assert line not in repr(read_identity(mount(tmp_path / "good", issued.files), datetime.now(UTC)))
    broken = issued.key.replace(b"-----END", b"-----FIN")
    assert line not in refusal(mount(tmp_path / "broken", {**issued.files, "tls.key": broken}))
