"""Endpoints, in the router."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import field_mask_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc

from kea_deployer.operator.platform.calls import called, found

Endpoint = endpoint_pb2.Endpoint


class Endpoints:
    """The router's calls."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = endpoint_service_pb2_grpc.EndpointServiceStub(channel)

    async def find(self, name: str) -> Endpoint | None:
        """Returns an endpoint, or None.

        Raises:
            Problem: the router does not say.
        """
        return await found(name, self._stub.GetEndpoint(endpoint_service_pb2.GetEndpointRequest(name=name)))

    async def create(self, name: str, endpoint: Endpoint) -> None:
        """Makes an endpoint.

        Raises:
            Problem: the router refuses, or does not answer.
        """
        parent, _, identifier = name.partition("/endpoints/")
        request = endpoint_service_pb2.CreateEndpointRequest(parent=parent, endpoint_id=identifier, endpoint=endpoint)
        await called(name, self._stub.CreateEndpoint(request))

    async def update(self, endpoint: Endpoint, paths: Sequence[str]) -> None:
        """Changes parts of an endpoint, where it is as its etag says.

        Raises:
            Problem: the router refuses, or does not answer.
        """
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = endpoint_service_pb2.UpdateEndpointRequest(endpoint=endpoint, update_mask=mask)
        await called(endpoint.name, self._stub.UpdateEndpoint(request))

    async def delete(self, name: str) -> None:
        """Deletes an endpoint; one that is gone is as good.

        Raises:
            Problem: the router refuses, or does not answer.
        """
        await found(name, self._stub.DeleteEndpoint(endpoint_service_pb2.DeleteEndpointRequest(name=name)))
