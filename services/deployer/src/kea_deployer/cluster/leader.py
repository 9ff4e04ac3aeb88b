"""One of several processes acts at a time: whoever holds a Lease of the cluster (coordination.k8s.io).

Time is measured by one's own clock alone: a Lease has run out once it has not changed for as long as its holder said
it would hold, whatever times are written in it. Clocks of machines differ; this does not mind.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from kea_core.clock import Clock, utc_now

from kea_deployer.cluster.api import KubernetesApi, Object
from kea_deployer.cluster.errors import KubernetesError, KubernetesRefused

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a Lease holds."""

    hold_seconds: float = 15.0
    """After which others may take a Lease that its holder does not renew."""
    renew_seconds: float = 4.0
    """Between two renewals, and between two looks at a Lease that is another's."""
    give_up_seconds: float = 10.0
    """Without a renewal, after which the holder stops acting: before others may begin."""
    release_seconds: float = 3.0
    """Longest time to give the Lease back at the end."""


class LeadershipLost(Exception):
    """The Lease could not be renewed in time."""


def bid(lease: Object | None, me: str, unchanged_seconds: float, now: datetime, terms: Terms) -> Object | None:
    """Returns the spec to write so as to lead, or to go on leading; None where another holds the Lease. Pure.

    Args:
        lease: as it was last seen; None where there is none.
        me: one's own identity.
        unchanged_seconds: how long one has seen it as it is.
        now: to be written.
        terms: of what is written.
    """
    spec: Object = {} if lease is None else lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    if holder not in ("", me) and unchanged_seconds < float(spec.get("leaseDurationSeconds") or 0):
        return None
    taken = holder != me
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": math.ceil(terms.hold_seconds),
        "acquireTime": _micro(now) if taken else spec.get("acquireTime") or _micro(now),
        "renewTime": _micro(now),
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (1 if taken and lease is not None else 0),
    }


class Leader:
    """Leads, or waits to.

    Args:
        api: the namespace of the Lease.
        name: of the Lease.
        me: an identity that no other process has, a restarted one included.
        monotonic: seconds of one's own clock, which never jumps.
        clock: what is written into the Lease, for people.
        terms: how long it holds.
    """

    def __init__(
        self,
        api: KubernetesApi,
        name: str,
        me: str,
        *,
        monotonic: Callable[[], float],
        clock: Clock = utc_now,
        terms: Terms | None = None,
    ) -> None:
        self._api = api
        self._name = name
        self._me = me
        self._monotonic = monotonic
        self._clock = clock
        self._terms = terms or Terms()
        self._seen: Object | None = None
        self._since = monotonic()

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Has `work` run while this process leads, again and again, until cancelled.

        It is cancelled before anybody else may lead. What it raises by itself is raised here.
        """
        try:
            while True:
                while not await self._try():  # noqa: ASYNC110 - others' hold on a Lease ends without an event
                    await asyncio.sleep(self._terms.renew_seconds)
                log.info("leading", extra={"lease": self._name, "identity": self._me})
                try:
                    async with asyncio.TaskGroup() as tasks:
                        working = tasks.create_task(_run(work), name="lead")
                        renewing = tasks.create_task(self._renew(), name="renew lease")
                        working.add_done_callback(lambda _, task=renewing: task.cancel())
                except* LeadershipLost:
                    log.warning("no longer leading", extra={"lease": self._name, "identity": self._me})
        finally:
            await self._release()

    async def _renew(self) -> None:
        renewed = self._monotonic()
        while True:
            await asyncio.sleep(self._terms.renew_seconds)
            left = renewed + self._terms.give_up_seconds - self._monotonic()
            try:
                async with asyncio.timeout(max(left, 0)):
                    asked = self._monotonic()
                    if await self._try():
                        renewed = asked
            except TimeoutError:
                raise LeadershipLost from None
            if self._holder() != self._me:
                raise LeadershipLost

    async def _try(self) -> bool:
        """Looks at the Lease and takes or renews it where that may be; returns whether it is held now."""
        try:
            self._see(await self._api.get("Lease", self._name))
            spec = bid(self._seen, self._me, self._monotonic() - self._since, self._clock(), self._terms)
            if spec is None:
                return False
            self._see(await self._write(spec))
        except KubernetesRefused as error:
            # Another process was quicker, which the next look tells.
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                log.warning("lease refused", extra={"lease": self._name, "problem": str(error)})
            return False
        except KubernetesError as error:
            log.warning("lease not reached", extra={"lease": self._name, "problem": str(error)})
            return False
        return True

    async def _write(self, spec: Object) -> Object:
        if self._seen is None:
            metadata = {"name": self._name, "namespace": self._api.namespace}
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            return await self._api.create(made)
        changed = deepcopy(self._seen)  # with its resource version, so that only one of two writes counts
        changed |= {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        return await self._api.replace(changed)

    def _see(self, lease: Object | None) -> None:
        if self._seen is None or lease is None or lease.get("spec") != self._seen.get("spec"):
            self._since = self._monotonic()
        self._seen = lease

    def _holder(self) -> str:
        return str(((self._seen or {}).get("spec") or {}).get("holderIdentity") or "")

    async def _release(self) -> None:
        """Gives the Lease back, so that the next does not have to wait; where that fails, it waits."""
        if self._holder() != self._me or self._seen is None:
            return
        spec = {**self._seen["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(self._terms.release_seconds):
                await self._write(spec)
        except (KubernetesError, TimeoutError) as error:
            log.info("lease not released", extra={"lease": self._name, "problem": str(error)})


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _micro(time: datetime) -> str:
    """Returns a time as Kubernetes' MicroTime."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
