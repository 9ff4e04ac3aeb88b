"""What goes wrong on a cluster, and what callers are told within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from google.rpc import error_details_pb2
from kea.deployer.v1 import deployment_pb2

State = deployment_pb2.Deployment


def told(operation: Any) -> tuple[str, str]:
    """Returns reason and message of an operation's error."""
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in operation.error.details), operation
    return info.reason, operation.error.message


@asynccontextmanager
async def forwarding(address: str) -> AsyncGenerator[str, None]:
    """Gives an address on this machine that leads to another."""
    host, _, port = address.partition(":")

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(65536):
                sink.write(chunk)
                await sink.drain()
            sink.write_eof()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        with contextlib.closing(writer), contextlib.closing(there_writer):
            await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


async def test_a_model_that_cannot_be_loaded(start_on_cluster: Any, helpers: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put(load="raise ValueError('no weights')")
        assert told(await deployer.ended(await deployer.create())) == ("MODEL_LOAD_FAILED", "ValueError: no weights")
        found = await deployer.get()
        assert found.state == State.STATE_FAILED
        assert helpers.conditions_of(found)["ReplicasReady"][1:] == ("MODEL_LOAD_FAILED", "ValueError: no weights")


async def test_a_replica_that_dies_again_and_again(start_on_cluster: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put(load="print('so be it', flush=True); os._exit(3)")
        reason, message = told(await deployer.ended(await deployer.create()))
        assert reason == "REPLICA_CRASHED"
        assert message == "a replica ended with code 3: so be it"


async def test_a_quota_that_is_too_small(start_on_cluster: Any, namespace: Any) -> None:
    await namespace("create", "quota", "small", "--hard=pods=1")
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        await deployer.created()
        reason, message = told(await deployer.ended(await deployer.scale(2)))
        assert reason == "QUOTA_EXCEEDED"
        assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in message
        found = await deployer.get()
        assert (found.state, len(found.replicas)) == (State.STATE_ACTIVE, 1)


async def test_a_pod_that_fits_on_no_node(start_on_cluster: Any) -> None:
    async with start_on_cluster() as deployer:
        huge = replace(deployer.settings.cluster, cpu_request="1000")
    async with start_on_cluster(cluster=huge) as deployer:
        deployer.registry.put()
        reason, message = told(await deployer.ended(await deployer.create()))
        assert reason == "UNSCHEDULABLE"
        assert "Insufficient cpu" in message


@pytest.mark.own_node
async def test_an_image_that_nodes_cannot_pull(start_on_cluster: Any) -> None:
    registry = os.environ["KEA_TEST_REGISTRY"]
    async with start_on_cluster() as deployer:
        images = deployer.settings.images
    async with forwarding(registry) as here:  # an address that is the node's own to the node
        elsewhere = replace(images, repository=f"{here}/models", plain_http=(registry, here))
        async with start_on_cluster(images=elsewhere) as deployer:
            deployer.registry.put()
            reason, message = told(await deployer.ended(await deployer.create()))
            assert reason == "IMAGE_PULL_FAILED"
            assert f"{here}/models/default/echo" in message


async def test_a_prebuilt_image_that_does_not_exist(start_on_cluster: Any) -> None:
    image = f"{os.environ['KEA_TEST_REGISTRY']}/nobody/has:this"
    async with start_on_cluster() as deployer:
        deployer.registry.put()
        reason, message = told(await deployer.ended(await deployer.create(wanted={"prebuilt_image": image})))
        assert reason == "IMAGE_NOT_FOUND"
        assert image in message
        assert deployer.registry.downloads == 0


async def test_packages_that_do_not_exist_leave_nothing_in_the_cluster(start_on_cluster: Any, namespace: Any) -> None:
    async with start_on_cluster() as deployer:
        deployer.registry.put(requirements=["kea-no-such-package==1"])
        reason, message = told(await deployer.ended(await deployer.create()))
        assert reason == "ENVIRONMENT_FAILED"
        assert "kea-no-such-package" in message
        assert await namespace.of_kea() == set()


async def test_a_base_image_that_does_not_exist(start_on_cluster: Any) -> None:
    async with start_on_cluster() as deployer:
        images = deployer.settings.images
    async with start_on_cluster(images=replace(images, base=f"{images.base}-none")) as deployer:
        deployer.registry.put()
        reason, message = told(await deployer.ended(await deployer.create()))
        assert reason == "IMAGE_NOT_FOUND"
        assert "debian:12-none" in message
