"""What may be done with endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kea_core.clock import Clock
from kea_core.errors import EtagMismatch, UpdateMaskInvalid
from kea_core.managed import check_change, check_making
from kea_core.pages import Page

from kea_router.domain.endpoint import Endpoint, Retry, Target
from kea_router.domain.errors import EndpointNotFound
from kea_router.domain.limits import NO_LIMITS, Limits
from kea_router.domain.ports import EndpointStore, EndpointTransaction

MUTABLE = ("targets", "timeout", "retry", "limits")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller may say about an endpoint."""

    targets: tuple[Target, ...]
    timeout_seconds: float
    retry: Retry | None = None
    """None where nothing is said."""
    limits: Limits = NO_LIMITS


class Endpoints:
    """The use cases; each is one transaction."""

    def __init__(self, store: EndpointStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, name: str, wanted: Wanted, managed_by: str = "", *, validate_only: bool, request_id: str, digest: str
    ) -> Endpoint:
        """Makes an endpoint; the same request again gives the same endpoint.

        Raises:
            EndpointExists: the name is taken.
            ManagedByReserved: a custom resource is to manage it, and the caller is not the operator.
            InvalidArgument: see `Endpoint.check`.
        """
        check_making(managed_by)
        now = self._clock()
        endpoint = Endpoint(
            name=name,
            targets=wanted.targets,
            timeout_seconds=wanted.timeout_seconds,
            retry=wanted.retry or Retry.UNSENT,
            revision=0,
            create_time=now,
            update_time=now,
            managed_by=managed_by,
            limits=wanted.limits,
        )
        endpoint.check()
        async with self._store.transaction(commit=not validate_only) as transaction:
            before = await transaction.result(request_id, digest)
            if before is not None:
                return await _found(transaction, before)
            made = await transaction.add(endpoint)
            await transaction.remember(request_id, digest, name)
            return made

    async def get(self, name: str) -> Endpoint:
        """Returns an endpoint.

        Raises:
            EndpointNotFound: there is none.
        """
        async with self._store.reading() as transaction:
            return await _found(transaction, name)

    async def find(self, name: str) -> Endpoint | None:
        """Returns an endpoint, or None."""
        async with self._store.reading() as transaction:
            return await transaction.get(name)

    async def list(self, project: str, page: Page) -> tuple[Sequence[Endpoint], bool]:
        """Returns a page of a project's endpoints, and whether more follow."""
        async with self._store.reading() as transaction:
            found = await transaction.page(project, page)
        return found[: page.size], len(found) > page.size

    async def update(
        self, name: str, wanted: Wanted, paths: Sequence[str], *, etag: str, validate_only: bool
    ) -> Endpoint:
        """Changes the parts that `paths` name; none named means all that are set.

        Raises:
            EndpointNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
            UpdateMaskInvalid: a path cannot be changed.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
            InvalidArgument: see `Endpoint.check`.
        """
        chosen = _paths(wanted, paths)
        async with self._store.transaction(commit=not validate_only) as transaction:
            endpoint = await _changeable(transaction, name, etag)
            changed = replace(
                endpoint,
                targets=wanted.targets if "targets" in chosen else endpoint.targets,
                timeout_seconds=wanted.timeout_seconds if "timeout" in chosen else endpoint.timeout_seconds,
                retry=wanted.retry or Retry.UNSENT if "retry" in chosen else endpoint.retry,
                limits=wanted.limits if "limits" in chosen else endpoint.limits,
            )
            changed.check()
            if changed == endpoint:
                return endpoint
            return await transaction.replace(replace(changed, update_time=self._clock()))

    async def delete(self, name: str, *, etag: str, validate_only: bool) -> None:
        """Deletes an endpoint.

        Raises:
            EndpointNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
            FailedPrecondition: it is not the caller's to change (`kea_core.managed`).
        """
        async with self._store.transaction(commit=not validate_only) as transaction:
            await _changeable(transaction, name, etag)
            await transaction.remove(name)


async def _found(transaction: EndpointTransaction, name: str) -> Endpoint:
    endpoint = await transaction.get(name)
    if endpoint is None:
        raise EndpointNotFound(name)
    return endpoint


async def _changeable(transaction: EndpointTransaction, name: str, etag: str) -> Endpoint:
    endpoint = await _found(transaction, name)
    if etag and etag != endpoint.etag:
        raise EtagMismatch(endpoint.name)
    check_change(name, endpoint.managed_by)
    return endpoint


def _paths(wanted: Wanted, paths: Sequence[str]) -> frozenset[str]:
    for path in paths:
        if path not in (*MUTABLE, "*"):
            raise UpdateMaskInvalid(path, MUTABLE)
    if "*" in paths:
        return frozenset(MUTABLE)
    given = {
        "targets": bool(wanted.targets),
        "timeout": bool(wanted.timeout_seconds),
        "retry": wanted.retry is not None,
        "limits": bool(wanted.limits),
    }
    return frozenset(paths) or frozenset(path for path in MUTABLE if given[path])
