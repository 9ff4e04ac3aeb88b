"""Addresses of gateways: checked, brought into one form, and compared."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from kea_sdk.errors import SettingsError

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_PORTS = {"http": 80, "https": 443}


def checked(url: str) -> str:
    """Returns a gateway's URL in its one form: scheme and host in lower case, no slash at its end.

    Raises:
        SettingsError: it is none. What may be a password in it is not shown.
    """
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        usable = parts.scheme in _PORTS and _is_host(host) and port != 0
    except ValueError:
        usable = False
    else:
        if usable and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc):
            name = f"[{host}]" if ":" in host else host
            return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")
    shown = repr(text) if "@" not in text else "the URL"
    problem = f"{shown} is not KEA's address; expected http://HOST:PORT or https://HOST"
    raise SettingsError(problem)


def host_of(url: str) -> str:
    """Returns the host of a checked URL, without brackets."""
    return urlsplit(url).hostname or ""


def port_of(url: str) -> int:
    """Returns the port of a checked URL, its scheme's own where it names none."""
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def is_loopback(url: str) -> bool:
    """Returns whether a checked URL is of this machine alone."""
    host = host_of(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_place(one: str, other: str) -> bool:
    """Returns whether two checked URLs are of the same gateway; all names of loopback are one host."""
    if is_loopback(one) and is_loopback(other):
        return one.partition(":")[0] == other.partition(":")[0] and port_of(one) == port_of(other)
    return one == other


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _NAME.fullmatch(host) is not None
    ipaddress.IPv6Address(host)  # raises ValueError
    return True
