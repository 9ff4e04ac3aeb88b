"""How many gateways there are, from the name that Envoys know one another by."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from kea_core.address import split_address

log = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
"""As often as Envoy asks."""
NOBODY = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
"""What is answered where no address stands behind the name: no gateway is ready."""


async def follow_gateways(address: str, told: Callable[[int | None], None]) -> None:
    """Tells again and again how many IP addresses the host of an address has.

    While nobody can be asked the last number holds; until there is one, None is told.
    """
    known = False
    while True:
        try:
            told(await count_addresses(address))
            known = True
        except OSError:
            held = "the last number" if known else "no number: gateways do not share limits"
            log.warning(
                "gateways are not counted; tried again", extra={"address": address, "holds": held}, exc_info=True
            )
            if not known:
                told(None)
        await asyncio.sleep(REFRESH_SECONDS)


async def count_addresses(address: str) -> int:
    """Returns how many gateways Envoy finds there, which asks for IPv4 first.

    Raises:
        OSError: nobody could be asked.
    """
    host, port = split_address(address)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in NOBODY:
            return 0
        raise
    families = [{entry[4][0] for entry in found if entry[0] == kind} for kind in (socket.AF_INET, socket.AF_INET6)]
    return len(families[0] or families[1])
