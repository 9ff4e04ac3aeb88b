"""A Kubernetes API as far as the operator speaks to it: objects in memory, over real HTTP, with watches."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from aiohttp import web

# Tests are not packages (import mode importlib), so what folders of them share is found by path.
sys.path.insert(0, str(Path(__file__).parents[1]))

Json = dict[str, Any]
TOKEN = "a-token-of-the-cluster"


class FakeKubernetes:
    """Keeps objects by plural, namespace and name; counts every change, as resource versions do."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.away = False
        """Whether calls are answered 503."""
        self._version = 0
        self._events: list[tuple[str, str, Json]] = []
        """Type, plural and object of every change, in order."""
        self._changed = asyncio.Event()

    def put(self, plural: str, namespace: str, name: str, **content: Any) -> Json:
        """Makes an object, or changes what it says, as `kubectl apply` does."""
        key = (plural, namespace, name)
        before = self.objects.get(key)
        if before is None:
            metadata: Json = {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "generation": 1}
            metadata["creationTimestamp"] = "2026-01-01T12:00:00Z"
            return self._note("ADDED", key, {"metadata": metadata | content.pop("metadata", {}), **content})
        made = deepcopy(before)
        for field, value in content.items():
            made[field] = made[field] | value if field == "metadata" else value
        if made.get("spec") != before.get("spec"):
            made["metadata"]["generation"] += 1
        return self._note("MODIFIED", key, made)

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Deletes an object, as soon as nobody holds it."""
        key = (plural, namespace, name)
        item = deepcopy(self.objects[key])
        if item["metadata"].get("finalizers"):
            item["metadata"]["deletionTimestamp"] = "2026-01-01T13:00:00Z"
            item["metadata"]["generation"] += 1
            self._note("MODIFIED", key, item)
        else:
            self._note("DELETED", key, item)

    def get(self, plural: str, namespace: str, name: str) -> Json | None:
        """Returns an object, or None."""
        return self.objects.get((plural, namespace, name))

    async def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Returns the first true value of a condition on what is kept here."""
        async with asyncio.timeout(seconds):
            while not (value := condition()):
                await self._changed.wait()
            return value

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers a call."""
        if self.away:
            return _refusal(503, "ServiceUnavailable")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refusal(401, "Unauthorized")
        parts = request.path.strip("/").split("/")[2 if request.path.startswith("/api/") else 3 :]
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        plural, name, subresource = (*parts, "", "")[:3]
        if "watch" in request.query:
            return await self._watch(request, plural, namespace)
        body = await request.json() if request.can_read_body else {}
        if request.method == "GET" and not name:
            return self._list(plural, namespace)
        key = (plural, namespace, name or str(body.get("metadata", {}).get("name")))
        return self._one(request.method, key, body, subresource)

    def _one(self, method: str, key: tuple[str, str, str], body: Json, subresource: str) -> web.Response:
        if method == "POST":
            return _refusal(409, "AlreadyExists") if key in self.objects else _answer(self._note("ADDED", key, body))
        if key not in self.objects:
            return _refusal(404, "NotFound")
        if method == "GET":
            return _answer(self.objects[key])
        return self._write(key, body, subresource, whole=method == "PUT")

    def _write(self, key: tuple[str, str, str], body: Json, subresource: str, *, whole: bool) -> web.Response:
        before = self.objects[key]
        told = (body.get("metadata") or {}).get("resourceVersion")
        if told is not None and told != before["metadata"]["resourceVersion"]:
            return _refusal(409, "Conflict")
        made = body if whole else _merged(before, {"status": body["status"]} if subresource else body)
        if made == before:
            return _answer(before)
        if made["metadata"].get("deletionTimestamp") and not made["metadata"].get("finalizers"):
            return _answer(self._note("DELETED", key, made))
        return _answer(self._note("MODIFIED", key, made))

    def _list(self, plural: str, namespace: str) -> web.Response:
        items = [item for (kind, place, _), item in self.objects.items() if kind == plural and namespace in ("", place)]
        return _answer({"items": items, "metadata": {"resourceVersion": str(self._version)}})

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        seen = int(request.query["resourceVersion"])
        while not self.away:
            for kind, changed, item in self._events[seen:]:
                if changed == plural and namespace in ("", item["metadata"].get("namespace")):
                    await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
            seen = len(self._events)
            if self._changed.is_set():
                self._changed = asyncio.Event()
            await self._changed.wait()
        return response

    def _note(self, kind: str, key: tuple[str, str, str], item: Json) -> Json:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        if kind == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = item
        self._events.append((kind, key[0], deepcopy(item)))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return item


def _answer(item: Json) -> web.Response:
    return web.json_response(item)


def _merged(before: Any, changes: Any) -> Any:
    """Returns what a JSON merge patch (RFC 7396) makes of a value."""
    if not isinstance(changes, dict):
        return changes
    made: Json = dict(cast("Json", before)) if isinstance(before, dict) else {}
    for name, value in cast("Json", changes).items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _merged(made.get(name), value)
    return made


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": status, "reason": reason, "message": reason}, status=status)


@pytest.fixture
async def kubernetes(tmp_path: Path) -> AsyncGenerator[FakeKubernetes, None]:
    """An API server; `tmp_path / "kubeconfig"` names it."""
    made = FakeKubernetes()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    try:
        yield made
    finally:
        await runner.cleanup()
