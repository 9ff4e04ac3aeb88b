"""From changes of endpoints, deployments, keys and policy to what is published.

Changes in quick succession go out as one. Only endpoints of which nothing but who may call them has changed go out in
parts: a binding on the platform concerns them all, and the event loop must not be held for as long as that takes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from kea_core.policy import Policy

from kea_router.domain.deployment import Deployment
from kea_router.domain.endpoint import Endpoint
from kea_router.domain.endpoint_status import EndpointStatus, Publication, status_of
from kea_router.domain.invokers import Invokers
from kea_router.domain.limits import ProjectLimits, least_burst
from kea_router.domain.lineages import Lineages
from kea_router.domain.revision import Served, served_by
from kea_router.renewal import with_invokers
from kea_router.translate.authentication import jwt_filter
from kea_router.translate.clusters import deployment_clusters, deployment_endpoints, grpc_cluster, http_cluster
from kea_router.translate.endpoint_routes import endpoint_resources
from kea_router.translate.in_progress import concurrency_filter, project_concurrency_filter
from kea_router.translate.limits import project_limits_filter
from kea_router.translate.management_routes import Backends, management_resources
from kea_router.translate.policy import PolicyMissingError
from kea_router.translate.revocations import revocation_filter
from kea_router.xds.publisher import Publisher
from kea_router.xds.resource import CLUSTER, ENDPOINTS, ROUTES, SCOPE, Key, Resource
from kea_router.xds.snapshot import Delta, InconsistentError

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.001
"""A change goes out when none has followed it for so long …"""
LONGEST_SECONDS = 0.02
"""… and at the latest after so long."""
PART_SECONDS = 0.008
"""A publication takes in endpoints that others may call than before until it has taken so long."""
RETRY_SECONDS = 1.0
"""A publication that was withheld is tried again after so long, or with the next change."""


class World:
    """All that is known of endpoints and deployments, and its publication.

    Args:
        publisher: takes what is to be published.
        backends: where Envoy sends what is for no model.
        changed: told of each endpoint of which what it serves may have changed.
        private_docs: whether the docs need a token.
        sharing: whether gateways share limits; nothing is then published before `set_gateways` is called.
    """

    def __init__(
        self,
        publisher: Publisher,
        backends: Backends,
        changed: Callable[[str], None],
        *,
        private_docs: bool = False,
        sharing: bool = False,
    ) -> None:
        self._private_docs = private_docs
        self._publisher = publisher
        self._tell = changed
        self._backends = backends
        self._endpoints: dict[str, Endpoint] = {}
        self._lineages = Lineages()
        self._deployments: dict[str, Deployment] = {}
        self._doubted_endpoints: set[str] = set()
        self._doubted_deployments: set[str] = set()
        self._users: defaultdict[str, set[str]] = defaultdict(set)
        """Endpoints by the deployments they lead to; none without."""
        self._jwks = ""
        self._dirty_keys = False
        self._policy: Policy | None = None
        self._invokers = Invokers(Policy())
        """Who may call by the policy that was looked at last; what is dirty by a newer one is not known yet."""
        self._dirty_revocations = False
        self._project_limits: Sequence[ProjectLimits] | None = None
        self._dirty_project_limits = False
        self._counted: set[str] = set()
        """Endpoints with a limit on requests in progress."""
        self._gateways: int | None = None if sharing else 0
        """How many share limits; 0: none does. None: it has not been told yet."""
        self._dirty_endpoints: set[str] = set()
        self._dirty_invokers: dict[str, None] = {}
        """Endpoints that others may call than what is published says; those that have waited longest come first."""
        self._dirty_deployments: set[str] = set()
        self._withheld = ""
        self._changed = asyncio.Event()
        self._endpoints_known = asyncio.Event()
        self._deployments_known = asyncio.Event()
        self.published = asyncio.Event()
        """Set once the first configuration, with keys, policy and all endpoints, is published."""

    def set_endpoint(self, name: str, endpoint: Endpoint | None) -> None:
        """Takes an endpoint as it is now; None where it is gone."""
        self._doubted_endpoints.discard(name)
        before = self._endpoints.pop(name, None)
        for target in before.targets if before else ():
            self._users[target.deployment].discard(name)
            if not self._users[target.deployment]:
                del self._users[target.deployment]
            self._dirty_deployments.add(target.deployment)
        if endpoint is None:
            self._lineages.discard(name)
        else:
            self._endpoints[name] = endpoint
            self._lineages.add(name)
            for target in endpoint.targets:
                self._users[target.deployment].add(name)
                self._dirty_deployments.add(target.deployment)
        if endpoint is not None and endpoint.limits.count_progress:
            self._counted.add(name)
        else:
            self._counted.discard(name)
        self._dirty_endpoints.add(name)
        self._changed.set()
        self._tell(name)

    def endpoints_told(self) -> None:
        """Notes that all endpoints there are have been told."""
        for name in sorted(self._doubted_endpoints):
            self.set_endpoint(name, None)
        self._endpoints_known.set()

    def doubt_endpoints(self) -> None:
        """Notes that all are told anew, because removals may have been missed. Until they are, what is known holds."""
        self._doubted_endpoints = set(self._endpoints)

    def set_deployment(self, name: str, deployment: Deployment | None) -> None:
        """Takes a deployment as it is now; None where it is gone."""
        self._doubted_deployments.discard(name)
        before = self._deployments.pop(name, None)
        if deployment is not None:
            self._deployments[name] = deployment
        users = self._users.get(name)
        if before == deployment or not users:
            return
        if before is None or deployment is None or before.version != deployment.version:
            self._dirty_endpoints |= users
        self._dirty_deployments.add(name)
        self._changed.set()
        for user in users:
            self._tell(user)

    def keep_deployment(self, name: str) -> None:
        """Leaves a deployment as it is known."""
        self._doubted_deployments.discard(name)

    def doubt_deployments(self) -> None:
        """Notes that all are told anew, because removals may have been missed. Until they are, what is known holds."""
        self._doubted_deployments = set(self._deployments)

    def deployments_told(self) -> None:
        """Notes that all deployments there are have been told."""
        for name in sorted(self._doubted_deployments):
            self.set_deployment(name, None)
        self._deployments_known.set()

    def set_keys(self, jwks: str) -> None:
        """Takes auth's key set (JSON)."""
        self._jwks = jwks
        self._dirty_keys = True
        self._changed.set()

    def set_policy(self, policy: Policy) -> None:
        """Takes auth's policy. Whom it concerns is found when it is published: of many in a row, once."""
        before, self._policy = self._policy, policy
        if before is None or before.revoked != policy.revoked:
            self._dirty_revocations = True
        self._changed.set()

    def set_project_limits(self, limits: Sequence[ProjectLimits]) -> None:
        """Takes the limits of all projects that have any."""
        if limits != self._project_limits:
            self._project_limits = limits
            self._dirty_project_limits = True
            self._changed.set()

    def set_gateways(self, count: int | None) -> None:
        """Takes how many gateways share limits; None where that is not known, and none does.

        What is published anew are limits that begin or cease to be shared, and those with a burst no larger than that.
        """
        before, self._gateways = self._gateways, 0 if count is None else max(count, 1)
        if before == self._gateways:
            return
        least = least_burst(max(before, self._gateways)) if before and self._gateways else math.inf
        for name, endpoint in self._endpoints.items():
            if any(rate.effective_burst < least for rate in endpoint.limits.rates):
                self._dirty_endpoints.add(name)
        self._dirty_project_limits = self._project_limits is not None
        self._changed.set()

    def status(self, endpoint: Endpoint) -> EndpointStatus:
        """Returns how an endpoint is doing."""
        keys = list(_keys(endpoint))
        published = self._is_published(endpoint)
        acknowledged = published and self._publisher.acknowledged(keys)
        problem = self._publisher.refusal(keys) if published else self._withheld
        return status_of(endpoint, self._deployments, Publication(acknowledged, problem))

    def serving(self, name: str) -> tuple[Endpoint, tuple[Served, ...]] | None:
        """Returns an endpoint and what it serves; None where it is gone, or not all of it serves."""
        endpoint = self._endpoints.get(name)
        parts = served_by(endpoint, self._deployments) if endpoint is not None else None
        return None if endpoint is None or parts is None else (endpoint, parts)

    def _is_published(self, endpoint: Endpoint) -> bool:
        """Whether what is published is what this very endpoint asks for."""
        current = self._endpoints.get(endpoint.name)
        if current is None or current.revision < endpoint.revision:
            return False
        if endpoint.name in self._dirty_endpoints or endpoint.name in self._dirty_invokers:
            return False
        return self._dirty_deployments.isdisjoint(target.deployment for target in endpoint.targets)

    async def publish_forever(self) -> None:
        """Publishes what changes. The first one is whole: it waits until something is known of everything there is."""
        await self._endpoints_known.wait()
        await self._deployments_known.wait()
        while True:
            await self._changed.wait()
            await self._quiet()
            known = None not in (self._policy, self._project_limits, self._gateways)
            if self._jwks and known and not self.publish():
                await self._pause()

    async def _quiet(self) -> None:
        """Waits until changes pause."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + LONGEST_SECONDS
        while self._changed.is_set() and loop.time() < latest:
            self._changed.clear()
            await asyncio.sleep(QUIET_SECONDS)
        self._changed.clear()

    async def _pause(self) -> None:
        """Waits for the next change, but not for long, and has everything published again."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            self._changed.set()

    def publish(self) -> bool:
        """Publishes what is dirty; False where that would be wrong, and what was published stays.

        It may leave endpoints whose policy alone has changed for the next time.
        """
        latest = time.monotonic() + PART_SECONDS
        self._take_policy()
        try:
            delta, names = self._delta(latest)
            self._publisher.publish(delta)
        except (InconsistentError, PolicyMissingError, ValueError) as error:
            # The next change may mend it, or a person; ending the process would mend nothing.
            log.exception("publication withheld; the last good one stays")
            self._publisher.withhold()
            self._withheld = str(error)
            return False
        self._withheld = ""
        self._dirty_keys = self._dirty_revocations = self._dirty_project_limits = False
        self._dirty_deployments.clear()
        self._dirty_endpoints.clear()
        for name in names:
            self._dirty_invokers.pop(name, None)
        if self._dirty_invokers:
            self._changed.set()
        self.published.set()
        return True

    def _take_policy(self) -> None:
        """Finds the endpoints that others may call than by the policy that was looked at last."""
        if self._policy is not None:
            for resource in sorted(self._invokers.take(self._policy)):
                self._dirty_invokers |= dict.fromkeys(sorted(self._lineages.under(resource)))

    def _delta(self, latest: float) -> tuple[Delta, list[str]]:
        """Returns what is to be published, and the names of the endpoints that it holds."""
        upserted: list[Resource] = []
        removed: list[Key] = []
        if not self.published.is_set():
            upserted += management_resources(self._backends)
        if self._dirty_keys:
            upserted.append(jwt_filter(self._jwks, private_docs=self._private_docs))
        if self._policy is not None and self._dirty_revocations:
            upserted.append(revocation_filter(self._policy.revoked))
        if self._project_limits is not None and self._dirty_project_limits:
            upserted.append(project_limits_filter(self._project_limits, gateways=self._gateways or 0))
            upserted.append(project_concurrency_filter(self._project_limits))
        counting = concurrency_filter(in_use=bool(self._counted))
        if self._publisher.snapshot.get(counting.key) != counting:
            upserted.append(counting)
        for name in sorted(self._dirty_deployments):
            if name in self._users:
                upserted += deployment_clusters(name)
                upserted += deployment_endpoints(name, self._deployments.get(name))
            else:
                removed += _deployment_keys(name)
        names: list[str] = []
        for name in self._due(latest):
            endpoint = self._endpoints.get(name)
            if endpoint is not None:
                upserted += self._resources(endpoint)
            else:
                removed += [Key(SCOPE, name), Key(ROUTES, name)]
            names.append(name)
        return Delta(tuple(upserted), tuple(removed)), names

    def _resources(self, endpoint: Endpoint) -> list[Resource]:
        """Returns what is to be published of an endpoint."""
        invokers = self._invokers.of(endpoint.name)
        published = self._publisher.snapshot.get(Key(ROUTES, endpoint.name))
        if published is not None and endpoint.name not in self._dirty_endpoints:
            return [with_invokers(published, invokers)]
        return endpoint_resources(endpoint, self._deployments, invokers, gateways=self._gateways or 0)

    def _due(self, latest: float) -> Iterator[str]:
        """Yields the endpoints to publish now: all that have changed, then those that others may call, until `latest`.

        Of those there is always one, so that it goes on however long everything else takes.
        """
        yield from sorted(self._dirty_endpoints)
        for name in self._dirty_invokers:
            if name not in self._dirty_endpoints:
                yield name
                if time.monotonic() >= latest:
                    return


def _deployment_keys(deployment: str) -> list[Key]:
    names = (http_cluster(deployment), grpc_cluster(deployment))
    return [Key(type_url, name) for type_url in (CLUSTER, ENDPOINTS) for name in names]


def _keys(endpoint: Endpoint) -> Iterable[Key]:
    """Returns all that must be acknowledged for an endpoint to work as wanted."""
    yield Key(SCOPE, endpoint.name)
    yield Key(ROUTES, endpoint.name)
    for target in endpoint.targets:
        yield from _deployment_keys(target.deployment)
