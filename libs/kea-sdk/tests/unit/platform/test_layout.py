from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from kea_core.roles import SERVICE_ACCOUNTS
from kea_sdk.platform.layout import MAX_SOCKET_DIRECTORY, LayoutError, layout_of

pytestmark = pytest.mark.usefixtures("runtime")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_for_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    layout = layout_of(tmp_path / "data")
    layout.prepare()
    assert [mode(place) for place in (layout.data, layout.sockets, layout.logs, layout.service_credentials)] == [
        0o700
    ] * 4
    assert [mode(layout.credential(name)) for name in SERVICE_ACCOUNTS] == [0o600] * len(SERVICE_ACCOUNTS)


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "data")
    layout.prepare()
    secrets = [layout.credential(name).read_text() for name in SERVICE_ACCOUNTS]
    layout.prepare()
    assert [layout.credential(name).read_text() for name in SERVICE_ACCOUNTS] == secrets
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 43 for secret in secrets)


def test_a_secret_that_was_half_written_is_made_anew(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "data")
    layout.service_credentials.mkdir(parents=True)
    (layout.service_credentials / ".router.new").write_text("half")
    layout.prepare()
    assert layout.credential("router").read_text() != "half"
    assert list(layout.service_credentials.glob(".*")) == []


def test_a_directory_of_someone_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layout_of(tmp_path / "data")
    layout.sockets.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)  # another user cannot be had without root
    with pytest.raises(LayoutError, match="is not a directory of yours; move it away or choose another with --data"):
        layout.prepare()


def test_a_link_in_place_of_the_sockets_directory_is_refused(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    layout.sockets.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LayoutError, match="is not a directory of yours"):
        layout.prepare()


def test_a_directory_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    with pytest.raises(LayoutError, match="is shared with others; choose another with --data"):
        layout_of(tmp_path / "shared").prepare()
    assert mode(tmp_path / "shared") == 0o1777


def test_a_file_in_place_of_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(LayoutError, match=r"/data cannot be used: File exists$"):
        layout_of(tmp_path / "data").prepare()


def test_sockets_lie_elsewhere_where_the_usual_place_is_too_long(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert layout_of(tmp_path).sockets.parent == runtime
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    found = layout_of(tmp_path)
    assert found.sockets.parent == Path("/tmp")
    assert len(str(found.sockets)) <= MAX_SOCKET_DIRECTORY


def test_without_any_place_for_sockets_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(LayoutError, match="no directory for sockets: expected XDG_RUNTIME_DIR or TMPDIR"):
        layout_of(tmp_path)


def test_data_is_one_place_by_whatever_name_and_others_have_sockets_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    assert layout_of(tmp_path / "link") == layout_of(tmp_path / "x" / ".." / "data")
    assert layout_of(tmp_path / "data").sockets != layout_of(tmp_path / "other").sockets


def test_files_have_their_places(tmp_path: Path) -> None:
    found = layout_of(tmp_path)
    assert found.database("auth") == f"sqlite:///{tmp_path}/databases/auth.db"
    assert found.socket("auth") == f"unix:{found.sockets}/auth.sock"
    assert (found.admin_token, found.state) == (tmp_path / "admin.token", tmp_path / "platform.json")
