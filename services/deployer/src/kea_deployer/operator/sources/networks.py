"""Which addresses are spoken to on users' behalf. Pure, but for the resolver.

Users choose where artifacts come from, and the operator stands inside the cluster: what only it can reach, such as a
cloud's metadata, must not be had through it. Names are checked after they are resolved, and what was checked is what
is connected to, so that a name cannot mean one address to the check and another to the connection.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA = tuple(ipaddress.ip_network(text) for text in ("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128"))
"""Where clouds keep their metadata beside the link-local 169.254.169.254."""


class AddressRefused(OSError):
    """A name that leads where nobody may be sent; an OSError, as the HTTP client expects of resolvers."""


def refusal(ip: Ip, allowed: Sequence[Network]) -> str:
    """Returns why an address is not spoken to; empty where it is."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    real = mapped or ip
    if any(real in network for network in allowed if network.version == real.version):
        return ""
    if any(real in network for network in METADATA if network.version == real.version):
        return "is where a cloud keeps its metadata"
    for name, wrong in (
        ("loopback", real.is_loopback),
        ("link-local", real.is_link_local),
        ("multicast", real.is_multicast),
        ("unspecified", real.is_unspecified),
        ("reserved", real.is_reserved),
    ):
        if wrong:
            return f"is {name}"
    return ""


def check_host(host: str, allowed: Sequence[Network]) -> None:
    """Checks a host that is written as an address, or is known without asking; names are checked when resolved.

    Raises:
        Problem: it is not spoken to.
    """
    bare = host.strip("[]").partition("%")[0].rstrip(".").lower()
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        try:
            ip = ipaddress.ip_address(socket.inet_aton(bare))  # 127.1 and 0x7f000001 are addresses as well
        except OSError:
            return
    why = refusal(ip, allowed)
    if why:
        raise Problem(Reason.SOURCE_REFUSED, f"{host} {why}; expected an artifact store")


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses that may be spoken to."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns a name's addresses.

        Raises:
            AddressRefused: one of them must not be spoken to.
            OSError: the name is not known.
        """
        found = await self._resolver.resolve(host, port, family)
        for entry in found:
            why = refusal(ipaddress.ip_address(entry["host"].partition("%")[0]), self._allowed)
            if why:
                problem = f"{host} leads to {entry['host']}, which {why}; expected an artifact store"
                raise AddressRefused(problem)
        return found

    async def close(self) -> None:
        """Closes it."""
        await self._resolver.close()
