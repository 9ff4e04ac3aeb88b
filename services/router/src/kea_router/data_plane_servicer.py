"""`kea.router.v1.DataPlaneService`: what the Envoys have taken."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import duration_pb2
from kea.router.v1 import data_plane_service_pb2, data_plane_service_pb2_grpc

from kea_router.convert import timestamp
from kea_router.xds.publisher import Publisher
from kea_router.xds.stream import Stream

Context = grpc.aio.ServicerContext[Any, Any]
Response = data_plane_service_pb2.GetDataPlaneStatusResponse


class DataPlaneServicer(data_plane_service_pb2_grpc.DataPlaneServiceServicer):
    """Tells what the publisher knows."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def GetDataPlaneStatus(
        self, request: data_plane_service_pb2.GetDataPlaneStatusRequest, context: Context
    ) -> data_plane_service_pb2.GetDataPlaneStatusResponse:
        """Returns what every connected Envoy has acknowledged, and what it refused."""
        del request, context
        median = duration_pb2.Duration()
        median.FromNanoseconds(round(self._publisher.median_acknowledge_seconds * 1e9))
        return Response(
            nodes=[self._node(stream) for stream in self._publisher.streams],
            refusal_count=self._publisher.refusal_count,
            median_acknowledge_duration=median,
        )

    def _node(self, stream: Stream) -> data_plane_service_pb2.GetDataPlaneStatusResponse.Node:
        node = Response.Node(
            id=stream.node_id, connect_time=timestamp(stream.connect_time), synced=self._publisher.synced(stream)
        )
        for type_url, subscription in sorted(stream.subscriptions.items()):
            if not subscription.begun:
                continue
            status = node.types.add(
                type_url=type_url, acknowledged_count=len(subscription.held), last_refusal=subscription.problem
            )
            if type_url in stream.refuse_times:
                status.refuse_time.CopyFrom(timestamp(stream.refuse_times[type_url]))
        return node
