"""An operator that is killed at any call, before or after it has had its effect, and one that comes after it."""

# ruff: noqa: ARG002 - what stands in for clients takes what they take

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import timestamp_pb2
from kea.deployer.v1 import deployment_pb2
from kea.registry.v1 import model_version_pb2
from kea.router.v1 import endpoint_pb2
from kea_deployer.cluster.errors import KubernetesAway
from kea_deployer.operator.deployment_controller import DeploymentController
from kea_deployer.operator.loop import Again
from kea_deployer.operator.names import FINALIZER
from kea_deployer.operator.platform.calls import Away, Refused
from kea_deployer.operator.resource import Key, Resource, read_resource

State = deployment_pb2.Deployment
KEY = Key("team-a", "iris")
OWNER = str(KEY)
MODEL = "projects/default/models/iris"
PARENT = "projects/default"


class Killed(BaseException):
    """The process is no more."""


class World:
    """A cluster, a registry, a deployer and a router, as they look to an operator; all outlive it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.deadly = 0.0
        """How likely a call is the last one."""
        self.away = 0.0
        """How likely a call is not answered, whether it has had its effect or not."""
        self.now = 100
        self.versions = [self._version(1)]
        self.deployments: dict[str, deployment_pb2.Deployment] = {}
        self.endpoints: dict[str, endpoint_pb2.Endpoint] = {}
        self.resource: dict[str, Any] | None = {
            "metadata": {"namespace": "team-a", "name": "iris", "uid": "u", "generation": 1, "resourceVersion": "1"},
            "spec": {"modelName": "iris", "replicas": 1},
        }
        self.model = read_resource(
            "MLModel",
            {
                "metadata": {"namespace": "team-a", "name": "iris"},
                "spec": {"modelName": "iris"},
                "status": {"model": MODEL},
            },
        )
        self.broken: set[int] = set()
        """Versions that do not come up."""
        self.outages: list[str] = []
        self.routed = ""
        """Where gateways send requests."""

    def _version(self, number: int) -> model_version_pb2.ModelVersion:
        return model_version_pb2.ModelVersion(
            name=f"{MODEL}/versions/{number}", number=number, create_time=timestamp_pb2.Timestamp(seconds=self.now)
        )

    def push(self) -> None:
        """Has a new version."""
        self.now += 1
        self.versions.append(self._version(len(self.versions) + 1))

    async def call(self, effect: Callable[[], Any], away: type[Exception] = Away) -> Any:
        """Does what a call does, unless the caller is killed before, and answers, unless it is killed after."""
        if self.chance.random() < self.deadly / 2:
            raise Killed
        if self.chance.random() < self.away / 2:
            problem = "no answer"
            raise away(problem)
        answer = effect()
        self.check()
        if self.chance.random() < self.deadly / 2:
            raise Killed
        if self.chance.random() < self.away / 2:
            problem = "no answer"
            raise away(problem)
        return answer

    def turn(self) -> None:
        """Lets the world go on a little: deployments come up, go down, and gateways take what they are told."""
        for name, entry in list(self.deployments.items()):
            number = int(entry.model_version.rpartition("/")[2])
            if entry.state == State.STATE_DELETING:
                if self.chance.random() < 0.5:
                    del self.deployments[name]
            elif entry.state == State.STATE_CREATING and self.chance.random() < 0.5:
                entry.state = State.STATE_FAILED if number in self.broken else State.STATE_ACTIVE
        for entry in self.endpoints.values():
            if self.chance.random() < 0.5:
                entry.reconciling = False
        self.check()

    def check(self) -> None:
        """Notes where callers would be sent to what does not serve, though something had served before."""
        for entry in self.endpoints.values():
            there = [self.deployments.get(target.deployment) for target in entry.targets]
            if not any(found is not None and found.state == State.STATE_ACTIVE for found in there):
                self.outages.append(f"{entry.name} leads to {[target.deployment for target in entry.targets]}")
            # Gateways that have not taken the last change still send to what they knew.
            if entry.reconciling and self.routed and self.routed not in self.deployments:
                self.outages.append(f"gateways still send to {self.routed}, which is gone")
            if not entry.reconciling:
                self.routed = entry.targets[0].deployment

    # The registry.
    async def find_version(self, name: str) -> model_version_pb2.ModelVersion | None:
        return await self.call(lambda: self.versions[-1])

    # The deployer.
    async def find_deployment(self, name: str) -> deployment_pb2.Deployment | None:
        return await self.call(lambda: copied(self.deployments.get(name)))

    async def create_deployment(self, name: str, message: deployment_pb2.Deployment) -> None:
        def effect() -> None:
            if name in self.deployments:
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, "DEPLOYMENT_EXISTS", f"{name} is there")
            made = deployment_pb2.Deployment(name=name, state=State.STATE_CREATING)
            made.MergeFrom(message)
            self.now += 1
            made.create_time.seconds = self.now
            made.etag = str(self.now)
            self.deployments[name] = made

        await self.call(effect)

    async def update_deployment(self, message: deployment_pb2.Deployment, paths: Any) -> None:
        def effect() -> None:
            found = self.deployments.get(message.name)
            if found is None or found.etag != message.etag:
                raise Refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", "it has changed")
            found.replica_count = message.replica_count
            self.now += 1
            found.etag = str(self.now)

        await self.call(effect)

    async def delete_deployment(self, name: str) -> None:
        def effect() -> None:
            if name in self.deployments:
                self.deployments[name].state = State.STATE_DELETING

        await self.call(effect)

    # The router.
    async def find_endpoint(self, name: str) -> endpoint_pb2.Endpoint | None:
        return await self.call(lambda: copied(self.endpoints.get(name)))

    async def create_endpoint(self, name: str, message: endpoint_pb2.Endpoint) -> None:
        def effect() -> None:
            if name in self.endpoints:
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, "ENDPOINT_EXISTS", f"{name} is there")
            self._put(name, message)

        await self.call(effect)

    async def update_endpoint(self, message: endpoint_pb2.Endpoint, paths: Any) -> None:
        def effect() -> None:
            found = self.endpoints.get(message.name)
            if found is None or found.etag != message.etag:
                raise Refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", "it has changed")
            if "targets" in paths:
                message.managed_by = found.managed_by
                self._put(message.name, message)

        await self.call(effect)

    def _put(self, name: str, message: endpoint_pb2.Endpoint) -> None:
        made = endpoint_pb2.Endpoint(name=name, state=endpoint_pb2.Endpoint.STATE_ACTIVE, reconciling=True)
        made.targets.extend(message.targets)
        made.managed_by = message.managed_by
        self.now += 1
        made.etag = str(self.now)
        self.endpoints[name] = made

    async def delete_endpoint(self, name: str) -> None:
        await self.call(lambda: self.endpoints.pop(name, None))

    # Kubernetes.
    def found(self, _key: Key) -> Resource | None:
        return None if self.resource is None else read_resource("MLDeployment", self.resource)

    async def hold(self, resource: Resource) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            assert self.resource is not None
            self.resource["metadata"]["finalizers"] = [FINALIZER]
            return self.resource

        return await self.call(effect, KubernetesAway)

    async def release(self, resource: Resource) -> None:
        def effect() -> None:
            self.resource = None

        await self.call(effect, KubernetesAway)

    async def tell(self, resource: Resource, conditions: Any, status: Any) -> None:
        def effect() -> None:
            told = [{"type": entry.type, "status": entry.status, "reason": entry.reason} for entry in conditions]
            if self.resource is not None:
                self.resource["status"] = {**status, "conditions": told}

        await self.call(effect, KubernetesAway)

    async def project_of(self, namespace: str) -> str:
        return await self.call(lambda: "default", KubernetesAway)


class FakeMirror:
    """What the watches have told, which an operator that begins learns anew from what there is."""

    synced = True

    def __init__(self, world: World) -> None:
        self._deployments = {name for name, entry in world.deployments.items() if entry.managed_by == OWNER}
        self._endpoints = {name for name, entry in world.endpoints.items() if entry.managed_by == OWNER}

    def deployments_of(self, resource: str) -> set[str]:
        return set(self._deployments)

    def endpoints_of(self, resource: str) -> set[str]:
        return set(self._endpoints)

    def targeted_by_others(self, resource: str) -> set[str]:
        return set()

    def learn_deployment(self, name: str, resource: str) -> None:
        self._deployments.add(name)

    def learn_endpoint(self, name: str, resource: str) -> None:
        self._endpoints.add(name)

    def forget_deployment(self, name: str) -> None:
        self._deployments.discard(name)

    def forget_endpoint(self, name: str) -> None:
        self._endpoints.discard(name)


def copied(message: Any) -> Any:
    """Returns a message of its own, as a call does."""
    if message is None:
        return None
    made = type(message)()
    made.CopyFrom(message)
    return made


class Calls:
    """One service's part of the world, by the names its client has."""

    def __init__(self, **calls: Any) -> None:
        for name, call in calls.items():
            setattr(self, name, call)


def operator(world: World) -> DeploymentController:
    """Returns an operator that has just begun."""
    parts: dict[str, Any] = {
        "cluster": world,
        "models": world,
        "deployments": Calls(
            find=world.find_deployment,
            create=world.create_deployment,
            update=world.update_deployment,
            delete=world.delete_deployment,
        ),
        "endpoints": Calls(
            find=world.find_endpoint,
            create=world.create_endpoint,
            update=world.update_endpoint,
            delete=world.delete_endpoint,
        ),
        "mirror": FakeMirror(world),
    }
    return DeploymentController(
        find=world.found,
        learn=lambda _: None,
        model_of=lambda _namespace, _name: world.model,
        gateway_url="",
        resync_seconds=1.0,
        **parts,
    )


async def live(world: World, looks: int) -> None:
    """Has operators look, one after the other where one is killed."""
    running = operator(world)
    for _ in range(looks):
        try:
            await running.look(KEY)
        except Killed:
            running = operator(world)
        world.turn()


async def settle(world: World) -> None:
    """Has an operator look without disturbance until nothing changes any more."""
    world.deadly = world.away = 0.0
    await live(world, 60)


def ready(world: World) -> tuple[str, str]:
    assert world.resource is not None
    return next((it["status"], it["reason"]) for it in world.resource["status"]["conditions"] if it["type"] == "Ready")


@pytest.mark.parametrize("seed", range(40))
async def test_whoever_is_killed_wherever_there_is_one_of_each_in_the_end(seed: int) -> None:
    world = World(seed)
    world.deadly, world.away = 0.2, 0.1
    await live(world, 40)
    await settle(world)
    assert ready(world) == ("True", "SERVING")
    world.outages.clear()
    for _ in range(3):
        world.push()
        world.deadly, world.away = 0.2, 0.1
        await live(world, 30)
        await settle(world)
    assert ready(world) == ("True", "SERVING")
    assert [entry.model_version for entry in world.deployments.values()] == [f"{MODEL}/versions/4"]
    (endpoint,) = world.endpoints.values()
    assert [target.deployment for target in endpoint.targets] == list(world.deployments)
    assert world.outages == []


@pytest.mark.parametrize("seed", range(20))
async def test_a_version_that_does_not_come_up_changes_nothing_and_the_next_one_takes_over(seed: int) -> None:
    world = World(seed)
    await settle(world)
    world.outages.clear()
    world.push()
    world.broken = {2}
    world.deadly = 0.2
    await live(world, 30)
    await settle(world)
    assert ready(world)[0] == "False"
    (endpoint,) = world.endpoints.values()
    assert [target.deployment for target in endpoint.targets] == [f"{PARENT}/deployments/iris-v1"]
    world.push()
    world.deadly = 0.2
    await live(world, 30)
    await settle(world)
    assert ready(world) == ("True", "SERVING")
    assert list(world.deployments) == [f"{PARENT}/deployments/iris-v3"]
    assert world.outages == []


@pytest.mark.parametrize("seed", range(20))
async def test_a_deleted_resource_goes_when_all_that_it_made_is_gone_and_not_before(seed: int) -> None:
    world = World(seed)
    await settle(world)
    world.push()
    running = operator(world)
    await running.look(KEY)
    assert world.resource is not None
    world.resource["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    world.deadly, world.away = 0.2, 0.3
    for _ in range(200):
        try:
            again = await running.look(KEY)
            assert again is not None or world.found(KEY) is None
        except Killed:
            running = operator(world)
        if world.found(KEY) is None:
            break
        world.turn()
    assert world.found(KEY) is None
    assert (world.endpoints, world.deployments) == ({}, {})


async def test_what_was_made_without_an_answer_is_not_forgotten() -> None:
    world = World(1)
    await settle(world)
    world.push()
    running: Any = operator(world)

    async def unanswered(name: str, message: deployment_pb2.Deployment) -> None:
        await world.create_deployment(name, message)
        problem = "no answer"
        raise Away(problem)

    running._deployments.create = unanswered
    await running.look(KEY)
    assert len(world.deployments) == 2
    assert world.resource is not None
    world.resource["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    for _ in range(50):
        await running.look(KEY)
        world.turn()
    assert world.found(KEY) is None
    assert (world.endpoints, world.deployments) == ({}, {})


async def test_while_the_api_is_away_a_deleted_resource_waits_and_says_so() -> None:
    world = World(1)
    await settle(world)
    assert world.resource is not None
    world.resource["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"

    async def away(_name: str) -> None:
        problem = "no answer"
        raise Away(problem)

    parts: Any = operator(world)
    parts._endpoints.find = away
    again = await parts.look(KEY)
    assert isinstance(again, Again)
    assert again.failed
    assert ready(world) == ("Unknown", "API_AWAY")
    assert world.deployments
    assert world.endpoints


async def test_a_name_that_is_anothers_is_passed_over() -> None:
    world = World(1)
    taken = f"{PARENT}/deployments/iris-v1"
    world.deployments[taken] = deployment_pb2.Deployment(
        name=taken, model_version=f"{MODEL}/versions/1", state=State.STATE_ACTIVE
    )
    await settle(world)
    assert set(world.deployments) == {taken, f"{taken}-2"}
    assert not world.deployments[taken].managed_by
