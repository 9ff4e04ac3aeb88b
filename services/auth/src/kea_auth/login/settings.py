"""Settings of logging in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from urllib.parse import urlsplit

from kea_core.address import is_loopback_host
from kea_core.settings import SettingsError

from kea_auth.login.session import LONGEST_ACCESS_TTL


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """How people log in."""

    http_address: str = ""
    """Where auth answers HTTP, for Envoy only: `unix:PATH` or `HOST:PORT`. Empty: nobody can log in."""
    public_url: str = ""
    """Where browsers reach the gateway: `https://HOST[:PORT]`, or `http://` on this machine. Cookies are `Secure` where
    it is https, and identity providers send people back to it. Empty: there are local users only."""
    providers_file: str = ""
    """File that lists the identity providers, as JSON; see `kea_auth.login.provider`. Empty: there are none."""
    access_ttl_seconds: float = 600.0
    """How long a person's access token is accepted: 60 to 600. So long what was taken away at the identity provider may
    go on."""
    session_ttl_seconds: float = 12 * 3600.0
    """After what time a person must log in again, whatever they did meanwhile; at most 30 days."""
    attempts_per_minute: int = 10
    """Passwords that may be tried for one user, and device codes by one user, in a minute; from one address three times
    as many."""

    def __post_init__(self) -> None:
        longest = LONGEST_ACCESS_TTL.total_seconds()
        bounds = {"access_ttl_seconds": (60.0, longest), "session_ttl_seconds": (600.0, 30 * 86_400.0)}
        for entry in dataclasses.fields(self):
            least, most = bounds.get(entry.name, (None, None))
            value = getattr(self, entry.name)
            if least is not None and most is not None and not least <= value <= most:
                problem = f"{entry.name} is {value:g}; expected {least:.0f} to {most:.0f}"
                raise SettingsError(problem)
        if self.attempts_per_minute < 1:
            problem = f"attempts_per_minute is {self.attempts_per_minute}; expected more than 0"
            raise SettingsError(problem)
        if self.public_url:
            check_url("public_url", self.public_url, path=False)
        if self.providers_file and not self.public_url:
            problem = "public_url is empty; expected one with providers_file"
            raise SettingsError(problem)


def check_url(name: str, url: str, *, path: bool = True, plain: bool = False) -> None:
    """Checks an address that secrets are sent to.

    Args:
        name: of the setting.
        url: the address.
        path: whether it may have one.
        plain: whether it may be http elsewhere than on this machine.

    Raises:
        SettingsError: it is neither https, nor http to this machine.
    """
    parts = urlsplit(url)
    wrong = parts.query or parts.fragment or "@" in parts.netloc or not parts.hostname or (parts.path and not path)
    if wrong or parts.scheme not in {"http", "https"}:
        problem = f"{name} is {url!r}; expected https://HOST"
        raise SettingsError(problem)
    if parts.scheme == "http" and not plain and not is_loopback_host(parts.hostname or ""):
        problem = f"{name} is {url!r}; expected https, as secrets are sent there"
        raise SettingsError(problem)
