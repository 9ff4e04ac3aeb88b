"""The Kubernetes API, as far as it is needed: objects are what their JSON says."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from prometheus_client import CollectorRegistry

from kea_deployer.cluster.api_metrics import ApiMetrics
from kea_deployer.cluster.errors import KubernetesAway, KubernetesError, KubernetesRefused
from kea_deployer.cluster.names import MANAGER

Object = dict[str, Any]

CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
WATCH_SECONDS = 290
"""After which the server ends a watch; it is begun anew where it was."""
QUIET_SECONDS = 330.0
"""Silence after which a stream is taken for dead: bookmarks come more often, and the server ends watches before."""
PAGE = 500
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 8 * 1024 * 1024
MAX_TOLD = 2000

PLURALS = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Event": ("api/v1", "events"),
    "Namespace": ("api/v1", "namespaces"),
    "Pod": ("api/v1", "pods"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "MLDeployment": ("apis/ml.kea-project.io/v1alpha1", "mldeployments"),
    "MLModel": ("apis/ml.kea-project.io/v1alpha1", "mlmodels"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
}
"""Where each kind is found: the group's version, and the kind's plural."""
OF_NO_NAMESPACE = {"Namespace"}
_RESOURCE = re.compile(r"/(api|apis/[^/]+)/[^/]+/(namespaces/[^/]+/)?(?P<plural>[a-z]+)")


class KubernetesApi:
    """One namespace of one cluster.

    Args:
        client: with the cluster's address and credentials.
        namespace: of all objects; empty: all of them, to list and to watch.
    """

    def __init__(self, client: ApiClient, namespace: str, metrics: ApiMetrics) -> None:
        self._client = client
        self._metrics = metrics
        self.namespace = namespace

    def within(self, namespace: str) -> KubernetesApi:
        """Returns the same cluster's other namespace."""
        return KubernetesApi(self._client, namespace, self._metrics)

    async def get(self, kind: str, name: str) -> Object | None:
        """Returns an object, or None where it is not there.

        Raises:
            KubernetesRefused: it may not be seen.
            KubernetesAway: the server does not answer.
        """
        try:
            return await self._json("GET", self._path(kind, name), [])
        except KubernetesRefused as error:
            if error.gone:
                return None
            raise

    async def create(self, item: Object) -> Object:
        """Makes an object that is new.

        Raises:
            KubernetesRefused: it is there already (`AlreadyExists`), or is wrong, or may not be made.
            KubernetesAway: the server does not answer.
        """
        return await self._json("POST", self._path(item["kind"]), [], item)

    async def replace(self, item: Object) -> Object:
        """Writes an object that is there, as its resource version says it was.

        Raises:
            KubernetesRefused: it has changed meanwhile (`Conflict`), or is gone, or may not be written.
            KubernetesAway: the server does not answer.
        """
        return await self._json("PUT", self._path(item["kind"], item["metadata"]["name"]), [], item)

    async def patch(self, kind: str, name: str, changes: Object, subresource: str = "") -> Object:
        """Changes parts of an object (a JSON merge patch: lists are replaced as a whole, `None` removes).

        Raises:
            KubernetesRefused: it is gone, or has another resource version than `changes` say, or may not be changed.
            KubernetesAway: the server does not answer.
        """
        path = self._path(kind, name) + (f"/{subresource}" if subresource else "")
        return await self._json("PATCH", path, [], changes, content_type="application/merge-patch+json")

    async def apply(self, item: Object, *, force: bool) -> Object:
        """Makes an object what is given, as far as that goes (server-side apply); returns all of it.

        Args:
            item: with its kind and name.
            force: whether to take over what other managers have set.

        Raises:
            KubernetesRefused: something in it is wrong, or is another manager's, or beyond a quota.
            KubernetesAway: the server does not answer.
        """
        path = self._path(item["kind"], item["metadata"]["name"])
        query = [("fieldManager", MANAGER), ("force", "true" if force else "false")]
        return await self._json("PATCH", path, query, item, content_type="application/apply-patch+yaml")

    async def delete(self, kind: str, name: str) -> None:
        """Deletes an object, and in the background what it owns; one that is gone is as good.

        Raises:
            KubernetesRefused: that is not allowed.
            KubernetesAway: the server does not answer.
        """
        try:
            await self._json("DELETE", self._path(kind, name), [("propagationPolicy", "Background")])
        except KubernetesRefused as error:
            if not error.gone:
                raise

    async def list(self, kind: str, selector: str) -> tuple[list[Object], str]:
        """Returns the objects of a kind, whole, and the resource version from which to watch.

        Raises:
            KubernetesError: the server refuses, or does not answer.
        """
        found: list[Object] = []
        version = PLURALS[kind][0].partition("/")[2]
        query = [("labelSelector", selector), ("limit", str(PAGE))]
        more = ""
        while True:
            page = await self._json("GET", self._path(kind), [*query, *([("continue", more)] if more else [])])
            # In a list they do not say what they are; everywhere else they do.
            found += [{"apiVersion": version, "kind": kind, **item} for item in page["items"]]
            more = page["metadata"].get("continue", "")
            if not more:
                return found, str(page["metadata"]["resourceVersion"])

    async def watch(self, kind: str, selector: str, since: str) -> AsyncGenerator[tuple[str, Object]]:
        """Yields what changes after a resource version, until the server ends it: `ADDED`, `BOOKMARK` and so on.

        Raises:
            KubernetesRefused: `Expired`, where not all changes since are known any more.
            KubernetesAway: the stream broke.
        """
        query = [("labelSelector", selector), ("watch", "1"), ("allowWatchBookmarks", "true")]
        query += [("resourceVersion", since), ("timeoutSeconds", str(WATCH_SECONDS))]
        async with self._stream(self._path(kind), query) as lines:
            async for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise KubernetesRefused(int(status.get("code", 0)), status.get("reason", ""), _told(status))
                yield event["type"], event["object"]

    @asynccontextmanager
    async def log(
        self, pod: str, *, lines: int, follow: bool, previous: bool = False
    ) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Gives the lines a pod's container wrote, each with its time before it.

        Raises:
            KubernetesRefused: the pod is gone, or has written nothing yet.
            KubernetesAway: the stream broke.
        """
        query = [("timestamps", "true"), ("tailLines", str(lines))]
        query += [(name, "true") for name, wanted in (("follow", follow), ("previous", previous)) if wanted]
        async with self._stream(f"{self._path('Pod', pod)}/log", query) as stream:
            yield stream

    def _path(self, kind: str, name: str = "") -> str:
        group, plural = PLURALS[kind]
        scope = f"/namespaces/{self.namespace}" if self.namespace and kind not in OF_NO_NAMESPACE else ""
        return f"/{group}{scope}/{plural}{f'/{name}' if name else ''}"

    async def _json(
        self, method: str, path: str, query: list[tuple[str, str]], body: Object | None = None, content_type: str = ""
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with await self._send(method, path, query, body, content_type, timeout) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                while chunk := await response.content.read(MAX_ANSWER_BYTES):
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        problem = f"the answer to {method} {path} is larger than {MAX_ANSWER_BYTES} bytes"
                        raise KubernetesError(problem)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(error) from error
        try:
            document = cast("Object", json.loads(content))
        except ValueError:
            document = {"message": content.decode(errors="replace")[:MAX_TOLD]}
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise KubernetesRefused(response.status, str(document.get("reason", "")), _told(document))
        return document

    @asynccontextmanager
    async def _stream(self, path: str, query: list[tuple[str, str]]) -> AsyncGenerator[AsyncGenerator[bytes]]:
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=QUIET_SECONDS)
        try:
            async with await self._send("GET", path, query, None, "", timeout) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    document = cast("Object", json.loads(await response.content.read(MAX_LINE_BYTES) or b"{}"))
                    raise KubernetesRefused(response.status, str(document.get("reason", "")), _told(document))
                yield _lines(response.content)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(error) from error

    async def _send(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        body: Object | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - of the HTTP client
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type or "application/json"}
        status: int | None = None
        client = cast("Any", self._client)  # its own types are those of generated code: none
        try:
            request = await client.param_serialize(
                method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            answer = await client.call_api(*request, _request_timeout=timeout)
            status = answer.response.status
        except ApiException as error:
            status = error.status
            raise KubernetesRefused(error.status or 0, error.reason or "", str(error)[:MAX_TOLD]) from error
        finally:
            self._metrics.called(method, resource_of(path), status)
        return cast("aiohttp.ClientResponse", answer.response)


@asynccontextmanager
async def connect(namespace: str, kubeconfig: str, metrics: CollectorRegistry) -> AsyncGenerator[KubernetesApi]:
    """Connects to the cluster of a kubeconfig, or where none is named to the one this process runs in.

    Raises:
        KubernetesError: there is no such cluster.
    """
    configuration = Configuration()
    try:
        if kubeconfig:
            await load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        else:
            load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        problem = f"the cluster cannot be reached: {error}"
        raise KubernetesError(problem) from error
    client = ApiClient(configuration)
    try:
        yield KubernetesApi(client, namespace, ApiMetrics(metrics))
    finally:
        await client.close()


def resource_of(path: str) -> str:
    """Returns the plural of the kind that a path is of."""
    found = _RESOURCE.match(path)
    return found["plural"] if found else ""


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MAX_LINE_BYTES:
            problem = f"a line of the stream is longer than {MAX_LINE_BYTES} bytes"
            raise KubernetesError(problem)
    if rest:
        yield rest


def _told(status: Mapping[str, Any]) -> str:
    return " ".join(str(status.get("message", "")).split())[:MAX_TOLD]


def _away(error: Exception) -> KubernetesAway:
    return KubernetesAway(f"the Kubernetes API does not answer: {str(error) or type(error).__name__}")
