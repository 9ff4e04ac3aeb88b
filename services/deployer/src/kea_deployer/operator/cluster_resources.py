"""What the operator writes to the cluster, and reads there beside its resources: statuses, finalizers, Secrets."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from kea_core.clock import Clock

from kea_deployer.cluster.api import KubernetesApi, Object
from kea_deployer.cluster.errors import KubernetesError, KubernetesRefused
from kea_deployer.operator.conditions import READY, TRUE, Condition, merged, written
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.names import API_VERSION, FINALIZER, ID, PROJECT_ANNOTATION
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.resource import Resource

log = logging.getLogger(__name__)

COMPONENT = "kea-operator"
MOST_OF_EVENT = 1000


class ClusterResources:
    """Speaks to the API server about custom resources.

    Args:
        api: the cluster.
        project: of namespaces that name none.
        clock: tells the time.
    """

    def __init__(self, api: KubernetesApi, project: str, *, clock: Clock) -> None:
        self._api = api
        self._project = project
        self._clock = clock

    async def project_of(self, namespace: str) -> str:
        """Returns the project that a namespace's resources are in.

        Raises:
            Problem: it names none that there can be.
            KubernetesError: the cluster does not say.
        """
        found = await self._api.get("Namespace", namespace)
        annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
        project = str(annotations.get(PROJECT_ANNOTATION) or self._project)
        if not ID.fullmatch(project):
            problem = (
                f"annotation {PROJECT_ANNOTATION} of namespace {namespace} is {project!r}; expected a project's id"
            )
            raise Problem(Reason.SPEC_INVALID, problem, passing=True)
        return project

    async def secret(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Returns a Secret, or None.

        Raises:
            Problem: it may not be read.
            KubernetesError: the server does not answer.
        """
        try:
            return await self._api.within(namespace).get("Secret", name)
        except KubernetesRefused as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            problem = f"the operator may not read Secrets of namespace {namespace} (customResources.readSecrets)"
            raise Problem(Reason.CREDENTIALS_MISSING, problem, passing=True) from error

    async def hold(self, resource: Resource) -> Object:
        """Has a resource stay, when it is deleted, until it is released.

        Raises:
            KubernetesError: it has changed meanwhile, or the server does not answer.
        """
        return await self._finalizers(resource, [*resource.finalizers, FINALIZER])

    async def release(self, resource: Resource) -> None:
        """Lets a deleted resource go; one that is gone is as good.

        Raises:
            KubernetesError: it has changed meanwhile, or the server does not answer.
        """
        try:
            await self._finalizers(resource, [entry for entry in resource.finalizers if entry != FINALIZER])
        except KubernetesRefused as error:
            if not error.gone:
                raise

    async def tell(
        self, resource: Resource, conditions: Sequence[Condition], status: Mapping[str, Any]
    ) -> Object | None:
        """Writes a status where it is not so already; returns the resource then.

        Args:
            resource: as it was when it was looked at.
            conditions: all of them, `Ready` among them.
            status: the other fields; what is None is not there.

        Raises:
            KubernetesError: the server refuses, or does not answer. A resource that is gone is none.
        """
        before = resource.status.get("conditions") or ()
        wanted = {
            **status,
            "observedGeneration": resource.generation,
            "conditions": merged(before, conditions, resource.generation, self._clock()),
        }
        if {name: value for name, value in wanted.items() if value is not None} == dict(resource.status):
            return None
        removed = {name: None for name in resource.status if name not in wanted}
        api = self._api.within(resource.key.namespace)
        try:
            made = await api.patch(resource.kind, resource.key.name, {"status": {**removed, **wanted}}, "status")
        except KubernetesRefused as error:
            if error.gone:
                return None
            raise
        await self._announce(resource, conditions, before)
        return made

    async def _finalizers(self, resource: Resource, finalizers: list[str]) -> Object:
        metadata = {"finalizers": finalizers, "resourceVersion": resource.version}
        api = self._api.within(resource.key.namespace)
        return await api.patch(resource.kind, resource.key.name, {"metadata": metadata})

    async def _announce(
        self, resource: Resource, conditions: Sequence[Condition], before: Sequence[Mapping[str, Any]]
    ) -> None:
        """Has an event tell that `Ready` is so for another reason; a lost one is no loss."""
        now = next((entry for entry in conditions if entry.type == READY), None)
        old = next((entry for entry in before if entry.get("type") == READY), {})
        if now is None or (old.get("status"), old.get("reason")) == (now.status, now.reason):
            return
        time = written(self._clock())
        namespace, name = resource.key.namespace, resource.key.name
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": resource.kind,
                "namespace": namespace,
                "name": name,
                "uid": resource.uid,
            },
            "reason": now.reason,
            "message": (now.message or "all is as the resource says")[:MOST_OF_EVENT],
            "type": "Normal" if now.status == TRUE else "Warning",
            "source": {"component": COMPONENT},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        try:
            await self._api.within(namespace).create(event)
        except KubernetesError as error:
            log.info("event not written", extra={"resource": str(resource.key), "problem": str(error)})
