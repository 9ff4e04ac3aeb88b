"""The aggregated discovery service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from kea_router.xds.publisher import Publisher
from kea_router.xds.stream import Stream

Context = grpc.aio.ServicerContext[Any, Any]


class AggregatedDiscoveryServicer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """Serves delta ADS; the state-of-the-world variant answers UNIMPLEMENTED, as its base does."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def DeltaAggregatedResources(  # noqa: N802 - the proto's name
        self, request_iterator: AsyncIterator[discovery_pb2.DeltaDiscoveryRequest], context: Context
    ) -> None:
        """Follows the publisher for as long as the Envoy stays."""
        stream = self._publisher.connect()
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(stream, context), name="xds writer")
                async for request in request_iterator:
                    self._publisher.received(stream, request)
                writer.cancel()
        finally:
            self._publisher.disconnect(stream)

    async def _write(self, stream: Stream, context: Context) -> None:
        while True:
            await stream.woken.wait()
            stream.woken.clear()
            for response in self._publisher.responses(stream):
                await context.write(response)
