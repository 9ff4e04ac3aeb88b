from __future__ import annotations

import subprocess
import sys

import kea.sdk
import kea_sdk
import pytest


def test_both_names_of_the_package_give_the_same() -> None:
    assert kea.sdk.__all__ == kea_sdk.__all__ == sorted(kea_sdk.__all__)
    assert all(getattr(kea.sdk, name) is getattr(kea_sdk, name) for name in kea_sdk.__all__)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="'kea_sdk' has no attribute 'nothing'"):
        _ = kea_sdk.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    code = (
        "import sys; from kea_sdk.cli.main import run; run(['--help']); "
        "sys.exit(', '.join({'grpc', 'httpx', 'numpy', 'kea_sdk.platform.platform'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
