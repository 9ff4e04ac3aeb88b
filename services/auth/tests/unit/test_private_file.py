from __future__ import annotations

from pathlib import Path

import pytest
from kea_auth.store.private_file import write_private_file


def test_the_file_is_for_its_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    write_private_file(path, "one")
    with path.open() as reader:
        write_private_file(path, "two")
        assert reader.read() == "one"
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_private_file(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_private_file(path, "\ud800")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]
