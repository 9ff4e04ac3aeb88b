"""An audit event, and which of them are wanted."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kea_auth.audit.errors import AuditFilterInvalid


class Decision(enum.StrEnum):
    """What was decided on a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    LIMITED = "limited"
    NONE = "none"
    """There was nothing to decide: what it names is not there, or it is malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that somebody did, or was not let do; fields as in `kea.auth.v1.AuditEvent`."""

    id: str
    time: int
    """Nanoseconds since 1970."""
    decision: Decision
    subject: str = ""
    token_id: str = ""
    session_id: str = ""
    account_id: str = ""
    action: str = ""
    resource: str = ""
    rule: str = ""
    outcome: str = ""
    request_id: str = ""
    source_address: str = ""
    source: str = ""
    request: str = ""
    model_version: str = ""
    duration_ms: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True)
class Filter:
    """Which events are wanted: those that fit all that is set."""

    start: int = 0
    """The earliest time, in nanoseconds since 1970."""
    end: int = 0
    """The time from which on they are not wanted. 0: there is none."""
    subject: str = ""
    resource: str = ""
    action: str = ""
    decision: Decision | None = None
    request_id: str = ""
    source_address: str = ""
    source: str = ""
    token_id: str = ""

    @cached_property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        """The network that `source_address` names; None where it names one address, or none at all.

        Raises:
            AuditFilterInvalid: it is neither address nor network.
        """
        if "/" not in self.source_address:
            return None
        try:
            return ipaddress.ip_network(self.source_address, strict=False)
        except ValueError as error:
            field, description = (
                "filter.source_address",
                f"is {self.source_address!r}; expected an address or a network such as 10.1.0.0/16",
            )
            raise AuditFilterInvalid(field, description) from error

    @cached_property
    def needles(self) -> Sequence[bytes]:
        """Bytes that a batch with a wanted event in it must have: what has none of them need not be decoded."""
        exact = (self.subject, self.request_id, self.token_id, "" if self.network else self.source_address)
        return tuple(value.encode() for value in exact if value)

    def has_time(self, oldest: int, newest: int) -> bool:
        """Whether there may be wanted events between two times."""
        return newest >= self.start and (not self.end or oldest < self.end)

    def fits(self, event: AuditEvent) -> bool:
        """Whether an event is wanted."""
        exact = (
            (self.subject, event.subject),
            (self.request_id, event.request_id),
            (self.source, event.source),
            (self.token_id, event.token_id),
        )
        return (
            self.has_time(event.time, event.time)
            and all(not wanted or wanted == found for wanted, found in exact)
            and (self.decision is None or self.decision is event.decision)
            and _is_under(event.resource, self.resource, "/")
            and _is_under(event.action, self.action, ".")
            and self._is_from(event.source_address)
        )

    def _is_from(self, address: str) -> bool:
        if self.network is None:
            return not self.source_address or self.source_address == address
        try:
            return ipaddress.ip_address(address) in self.network
        except ValueError:
            return False


def _is_under(found: str, wanted: str, separator: str) -> bool:
    return not wanted or found == wanted or found.startswith(wanted.rstrip(separator) + separator)
