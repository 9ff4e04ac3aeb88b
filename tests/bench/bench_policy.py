"""What a change of the policy costs the router: how long it takes, and how long the event loop is held at a time.

A router's world of 10,000 endpoints in ten projects, and an Envoy in the same process that takes all that it is sent at
once. Of 100, 1,000 and 10,000 bindings most are on endpoints and methods, some on models and projects, few on the
platform. One more is made and deleted again, on each of these. Printed for each:
- how many endpoints it concerns;
- the time until Envoy has acknowledged the last of them (median and longest): nothing where it concerns none;
- the CPU time of that (median): as the loop is never idle here, it is what the time would be on a machine of one's own;
- the longest time that the event loop is held: for so long no call is answered, and no other change is seen;
- the longest garbage collection. It holds the loop too, but grows with what the process has come to know since it was
  ready, not with the change.

The last two are CPU time of the loop's thread, too. What is sent is serialized,
as gRPC does on the event loop, and thrown away. The time that a real Envoy takes is not in here. The machine is shared:
compare what stands in one run, and nothing across runs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from envoy.service.discovery.v3 import discovery_pb2
from kea_core.garbage import freeze_lasting
from kea_core.policy import PLATFORM, Binding, Policy, is_under
from kea_core.testing.tokens import jwks_of
from kea_router.domain.endpoint import Endpoint, Target
from kea_router.publication import World
from kea_router.translate.management_routes import Backends
from kea_router.xds.publisher import PublicationMetrics, Publisher
from kea_router.xds.resource import CLUSTER, PUSH_ORDER, ROUTES
from prometheus_client import CollectorRegistry

ENDPOINTS, PROJECTS = 10_000, 10
SIZES = (100, 1_000, 10_000)
ROUNDS = 3
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = tuple(f"projects/p{number % PROJECTS}/endpoints/e{number}" for number in range(ENDPOINTS))
CHANGED = {
    "platform": PLATFORM,
    "project": "projects/p0",
    "model": "projects/p0/models/m0",
    "endpoint": NAMES[0],
    "method": f"{NAMES[0]}/methods/predict",
}
"""What a binding is made on and deleted from."""


class Envoy:
    """Takes all that is published, and notes which routes it has taken since it was last asked."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._stream = publisher.connect()
        self._missing: set[str] = set()
        self._complete = asyncio.Event()
        for type_url in PUSH_ORDER:
            names = () if type_url == CLUSTER else ("*",)
            first = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
            publisher.received(self._stream, first)

    def await_routes(self, names: set[str]) -> asyncio.Event:
        """Returns what is set once it has taken new routes of all of these."""
        self._missing, self._complete = names, asyncio.Event()
        return self._complete

    async def run(self) -> None:
        """Takes and acknowledges until cancelled."""
        while True:
            await self._stream.woken.wait()
            self._stream.woken.clear()
            for response in self._publisher.responses(self._stream):
                response.SerializeToString()
                await asyncio.sleep(0)
                answer = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
                self._publisher.received(self._stream, answer)
                if response.type_url == ROUTES:
                    self._missing.difference_update(resource.name for resource in response.resources)
                    if not self._missing:
                        self._complete.set()


class Loop:
    """How long the event loop is held: looks at the CPU time of its thread each time that it comes round."""

    def __init__(self) -> None:
        self.held_seconds = 0.0
        self.collection_seconds = 0.0
        """Of the longest garbage collection."""
        self._collection_began = 0.0
        self._looked = 0.0

    async def run(self) -> None:
        """Looks until cancelled."""
        gc.callbacks.append(self._collect)
        self.begin()
        try:
            while True:
                await asyncio.sleep(0)
                now = time.thread_time()
                self.held_seconds, self._looked = max(self.held_seconds, now - self._looked), now
        finally:
            gc.callbacks.remove(self._collect)

    def begin(self) -> None:
        """Forgets what was until now."""
        self.held_seconds = self.collection_seconds = 0.0
        self._looked = time.thread_time()

    def _collect(self, phase: str, _info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._collection_began = now
        else:
            self.collection_seconds = max(self.collection_seconds, now - self._collection_began)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one change cost."""

    acknowledged_seconds: float
    cpu_seconds: float
    """Until then."""
    held_seconds: float
    collection_seconds: float


def make_bindings(count: int) -> dict[str, Binding]:
    """Returns so many bindings, the same ones each time."""
    chosen = random.Random(count)  # noqa: S311 - no secret
    found: dict[str, Binding] = {}
    for number in range(count):
        project = f"projects/p{chosen.randrange(PROJECTS)}"
        endpoint = chosen.choice(NAMES)
        places = (PLATFORM, project, f"{project}/models/m{number}", endpoint, f"{endpoint}/methods/predict")
        [resource] = chosen.choices(places, weights=(1, 4, 15, 50, 30))
        role = chosen.choice(("consumer", "engineer", "viewer"))
        found[f"bindings/{number}"] = Binding(f"users/u{number}", role, resource, f"bindings/{number}")
    return found


@asynccontextmanager
async def running(bindings: dict[str, Binding]) -> AsyncGenerator[tuple[World, Envoy, Loop], None]:
    """A world that has published everything."""
    publisher = Publisher(PublicationMetrics(CollectorRegistry()))
    world = World(publisher, Backends("a:1", "b:1", "c:1", "d:1", "e:1", "f:1"), lambda _name: None)
    envoy, loop = Envoy(publisher), Loop()
    for name in NAMES:
        target = Target(f"{name.rpartition('/endpoints/')[0]}/deployments/d", 10_000)
        world.set_endpoint(name, Endpoint(name, (target,), 0.0, 1, NOON, NOON))
    world.set_keys(jwks_of())
    world.set_policy(Policy(bindings=bindings))
    world.set_project_limits(())
    world.endpoints_told()
    world.deployments_told()
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(each) for each in (envoy.run(), world.publish_forever(), loop.run())]
        await envoy.await_routes(set(NAMES)).wait()
        await asyncio.sleep(0.1)
        freeze_lasting()  # as a process does once it is ready
        yield world, envoy, loop
        for task in background:
            task.cancel()


async def change(world: World, envoy: Envoy, loop: Loop, policy: Policy, concerned: set[str]) -> Cost:
    """Has the world take a policy, and waits until Envoy has what differs by it."""
    complete = envoy.await_routes(set(concerned))
    loop.begin()
    began, cpu_began = time.perf_counter(), time.thread_time()
    world.set_policy(policy)
    if concerned:
        await complete.wait()
    seconds, cpu_seconds = time.perf_counter() - began, time.thread_time() - cpu_began
    await asyncio.sleep(0.1)
    return Cost(seconds, cpu_seconds, loop.held_seconds, loop.collection_seconds)


async def measure(count: int) -> None:
    """Prints what changes cost beside so many bindings."""
    bindings = make_bindings(count)
    async with running(bindings) as (world, envoy, loop):
        for kind, resource in CHANGED.items():
            added = Binding("users/added", "consumer", resource, "bindings/added")
            concerned = {name for name in NAMES if is_under(name, resource) or is_under(resource, name)}
            policies = [Policy(bindings=bindings | {added.name: added}), Policy(bindings=bindings)] * ROUNDS
            costs = [await change(world, envoy, loop, policy, concerned) for policy in policies]
            show(count, kind, len(concerned), costs)


def show(count: int, kind: str, concerned: int, costs: list[Cost]) -> None:
    """Prints a line of the table."""
    times = [cost.acknowledged_seconds * 1000 if concerned else 0.0 for cost in costs]
    cpu = statistics.median(cost.cpu_seconds * 1000 if concerned else 0.0 for cost in costs)
    held = max(cost.held_seconds for cost in costs) * 1000
    collection = max(cost.collection_seconds for cost in costs) * 1000
    print(
        f"{count:8,} {kind:10} {concerned:9,} {statistics.median(times):10.1f} {max(times):10.1f} {cpu:10.1f}"
        f" {held:10.1f} {collection:10.1f}",
        flush=True,
    )


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    print("times in ms          concerned acknowledged                  CPU  loop held collection")
    print("bindings changed on  endpoints     median    longest     median    longest    longest")
    for count in SIZES:
        asyncio.run(measure(count))


if __name__ == "__main__":
    main()
