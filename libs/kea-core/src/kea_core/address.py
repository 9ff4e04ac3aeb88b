"""Addresses as settings write them: `unix:PATH` or `HOST:PORT`."""

from __future__ import annotations

import ipaddress


def split_address(address: str) -> tuple[str, int]:
    """Returns the host, without the brackets that IPv6 has there, and the port of `HOST:PORT`.

    Raises:
        ValueError: it is written otherwise.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) >= 1 << 16:
        problem = f"{address!r} is no address; expected HOST:PORT"
        raise ValueError(problem)
    return host, int(port)


def has_name(address: str) -> bool:
    """Returns whether the host of an address is a name, which stands for other IP addresses at other times."""
    if address.startswith("unix:"):
        return False
    try:
        ipaddress.ip_address(split_address(address)[0])
    except ValueError:
        return True
    return False


def is_loopback_host(host: str) -> bool:
    """Returns whether a host, without brackets, is this machine by its very name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
