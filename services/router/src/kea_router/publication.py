"""From changes of endpoints, deployments and keys to what is published. Changes in quick succession go out as one."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable

from kea_router.domain.deployment import Deployment
from kea_router.domain.endpoint import Endpoint
from kea_router.domain.endpoint_status import EndpointStatus, Publication, status_of
from kea_router.translate.authentication import jwt_filter
from kea_router.translate.clusters import deployment_clusters, deployment_endpoints, grpc_cluster, http_cluster
from kea_router.translate.endpoint_routes import endpoint_resources
from kea_router.translate.management_routes import Backends, management_resources
from kea_router.xds.publisher import Publisher
from kea_router.xds.resource import CLUSTER, ENDPOINTS, ROUTES, SCOPE, Key, Resource
from kea_router.xds.snapshot import Change

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.001
"""A change goes out when none has followed it for so long …"""
LONGEST_SECONDS = 0.02
"""… and at the latest after so long."""


class World:
    """All that is known of endpoints and deployments, and its publication."""

    def __init__(self, publisher: Publisher, backends: Backends) -> None:
        self._publisher = publisher
        self._backends = backends
        self._endpoints: dict[str, Endpoint] = {}
        self._deployments: dict[str, Deployment] = {}
        self._users: defaultdict[str, set[str]] = defaultdict(set)
        self._jwks = ""
        self._dirty_endpoints: set[str] = set()
        self._dirty_deployments: set[str] = set()
        self._changed = asyncio.Event()
        self.endpoints_known = asyncio.Event()
        """Set once all endpoints there are have been seen."""
        self.deployments_known = asyncio.Event()
        """Set once all deployments there are have been seen; until then none is taken for gone."""
        self.published = asyncio.Event()
        """Set once the first configuration, with keys and all endpoints, is published."""

    def set_endpoint(self, name: str, endpoint: Endpoint | None) -> None:
        """Takes an endpoint as it is now; None where it is gone."""
        before = self._endpoints.pop(name, None)
        for target in before.targets if before else ():
            self._users[target.deployment].discard(name)
            self._dirty_deployments.add(target.deployment)
        if endpoint is not None:
            self._endpoints[name] = endpoint
            for target in endpoint.targets:
                self._users[target.deployment].add(name)
                self._dirty_deployments.add(target.deployment)
        self._dirty_endpoints.add(name)
        self._changed.set()

    def set_deployment(self, name: str, deployment: Deployment | None) -> None:
        """Takes a deployment as it is now; None where it is gone."""
        before = self._deployments.pop(name, None)
        if deployment is not None:
            self._deployments[name] = deployment
        if (before and before.version) != (deployment and deployment.version):
            self._dirty_endpoints |= self._users[name]
        self._dirty_deployments.add(name)
        self._changed.set()

    def forget_deployments(self) -> None:
        """Marks all as unknown before they are told anew."""
        for name in list(self._deployments):
            self.set_deployment(name, None)

    def set_keys(self, jwks: str) -> None:
        """Takes auth's key set (JSON)."""
        self._jwks = jwks
        self._changed.set()

    def status(self, endpoint: Endpoint) -> EndpointStatus:
        """Returns how an endpoint is doing."""
        current = self._endpoints.get(endpoint.name)
        keys = list(_keys(endpoint))
        seen = current is not None and current.revision >= endpoint.revision
        acknowledged = seen and endpoint.name not in self._dirty_endpoints and self._publisher.acknowledged(keys)
        publication = Publication(acknowledged, self._publisher.refusal(keys))
        return status_of(endpoint, self._deployments, publication)

    async def publish_forever(self) -> None:
        """Publishes what changes; begins when keys, endpoints and deployments are known."""
        await self.endpoints_known.wait()
        await self.deployments_known.wait()
        self._publisher.publish(Change(tuple(management_resources(self._backends))))
        while True:
            await self._changed.wait()
            await self._quiet()
            if self._jwks:
                self._publish()
                self.published.set()

    async def _quiet(self) -> None:
        """Waits until changes pause."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + LONGEST_SECONDS
        while self._changed.is_set() and loop.time() < latest:
            self._changed.clear()
            await asyncio.sleep(QUIET_SECONDS)
        self._changed.clear()

    def _publish(self) -> None:
        upserted: list[Resource] = [jwt_filter(self._jwks)]
        removed: list[Key] = []
        for name in sorted(self._dirty_deployments):
            if self._users[name]:
                upserted += deployment_clusters(name)
                upserted += deployment_endpoints(name, self._deployments.get(name))
            else:
                removed += _deployment_keys(name)
        for name in sorted(self._dirty_endpoints):
            endpoint = self._endpoints.get(name)
            if endpoint is not None:
                upserted += endpoint_resources(endpoint, self._deployments)
            else:
                removed += [Key(SCOPE, name), Key(ROUTES, name)]
        self._dirty_deployments.clear()
        self._dirty_endpoints.clear()
        self._publisher.publish(Change(tuple(self._new(upserted)), tuple(removed)))

    def _new(self, resources: Iterable[Resource]) -> Iterable[Resource]:
        """Leaves out what is published already."""
        for resource in resources:
            published = self._publisher.snapshot.get(resource.key)
            if published is None or published.version != resource.version:
                yield resource


def _deployment_keys(deployment: str) -> list[Key]:
    names = (http_cluster(deployment), grpc_cluster(deployment))
    return [Key(type_url, name) for type_url in (CLUSTER, ENDPOINTS) for name in names]


def _keys(endpoint: Endpoint) -> Iterable[Key]:
    """Returns all that must be acknowledged for an endpoint to work as wanted."""
    yield Key(SCOPE, endpoint.name)
    yield Key(ROUTES, endpoint.name)
    for target in endpoint.targets:
        yield from _deployment_keys(target.deployment)
