"""`kea.router.v1.EndpointService`: between the protos and the use cases, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf import empty_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc
from kea_core.access import current_visible
from kea_core.change_feed import Change, Synced
from kea_core.idempotency import digest_of
from kea_core.pages import page_token, read_page
from kea_core.resource_name import parse_name

from kea_router.convert import endpoint_name, endpoint_to_proto, revision_to_proto, wanted_from_proto
from kea_router.domain.endpoint import Endpoint
from kea_router.domain.endpoint_status import EndpointStatus
from kea_router.domain.endpoints import Endpoints
from kea_router.domain.ports import EndpointStore
from kea_router.domain.revisions import Revisions

Context = grpc.aio.ServicerContext[Any, Any]


class EndpointServicer(endpoint_service_pb2_grpc.EndpointServiceServicer):
    """Serves endpoints."""

    def __init__(
        self,
        endpoints: Endpoints,
        revisions: Revisions,
        store: EndpointStore,
        status: Callable[[Endpoint], EndpointStatus],
    ) -> None:
        self._endpoints = endpoints
        self._revisions = revisions
        self._store = store
        self._status = status

    async def CreateEndpoint(
        self, request: endpoint_service_pb2.CreateEndpointRequest, context: Context
    ) -> endpoint_pb2.Endpoint:
        """Makes an endpoint."""
        del context
        endpoint = await self._endpoints.create(
            f"{request.parent}/endpoints/{request.endpoint_id}",
            wanted_from_proto(request.endpoint),
            request.endpoint.managed_by,
            validate_only=request.validate_only,
            request_id=request.request_id,
            digest=digest_of("CreateEndpoint", request),
        )
        return self._message(endpoint)

    async def GetEndpoint(
        self, request: endpoint_service_pb2.GetEndpointRequest, context: Context
    ) -> endpoint_pb2.Endpoint:
        """Returns one endpoint."""
        del context
        return self._message(await self._endpoints.get(request.name))

    async def ListEndpoints(
        self, request: endpoint_service_pb2.ListEndpointsRequest, context: Context
    ) -> endpoint_service_pb2.ListEndpointsResponse:
        """Lists a project's endpoints."""
        del context
        listing = f"endpoints of {request.parent}"
        (project,) = parse_name(request.parent, "projects")
        page = read_page(listing, request.page_size, request.page_token, only=current_visible().names)
        found, more = await self._endpoints.list(project, page)
        return endpoint_service_pb2.ListEndpointsResponse(
            endpoints=[self._message(endpoint) for endpoint in found],
            next_page_token=page_token(listing, found[-1].name) if more else "",
        )

    async def UpdateEndpoint(
        self, request: endpoint_service_pb2.UpdateEndpointRequest, context: Context
    ) -> endpoint_pb2.Endpoint:
        """Changes an endpoint."""
        del context
        endpoint = await self._endpoints.update(
            endpoint_name(request.endpoint.name, "endpoint.name"),
            wanted_from_proto(request.endpoint),
            list(request.update_mask.paths),
            etag=request.endpoint.etag,
            validate_only=request.validate_only,
        )
        return self._message(endpoint)

    async def DeleteEndpoint(
        self, request: endpoint_service_pb2.DeleteEndpointRequest, context: Context
    ) -> empty_pb2.Empty:
        """Deletes an endpoint."""
        del context
        await self._endpoints.delete(request.name, etag=request.etag, validate_only=request.validate_only)
        return empty_pb2.Empty()

    async def ListEndpointRevisions(
        self, request: endpoint_service_pb2.ListEndpointRevisionsRequest, context: Context
    ) -> endpoint_service_pb2.ListEndpointRevisionsResponse:
        """Lists what an endpoint has served, newest first."""
        del context
        listing = f"revisions of {request.parent}"
        page = read_page(listing, request.page_size, request.page_token)
        found, more = await self._revisions.list(request.parent, page)
        return endpoint_service_pb2.ListEndpointRevisionsResponse(
            endpoint_revisions=[revision_to_proto(revision) for revision in found],
            next_page_token=page_token(listing, str(found[-1].number)) if more else "",
        )

    async def WatchEndpoints(
        self, request: endpoint_service_pb2.WatchEndpointsRequest, context: Context
    ) -> AsyncIterator[endpoint_service_pb2.WatchEndpointsResponse]:
        """Follows the changes of all endpoints."""
        del context
        async for change in self._store.watch(request.since_revision):
            yield await self._change(change)

    async def _change(self, change: Change | Synced) -> endpoint_service_pb2.WatchEndpointsResponse:
        response = endpoint_service_pb2.WatchEndpointsResponse(revision=change.revision)
        if isinstance(change, Change):
            endpoint = None if change.deleted else await self._endpoints.find(change.name)
            if endpoint is None:
                response.deleted = change.name
            else:
                response.upserted.CopyFrom(self._message(endpoint))
        return response

    def _message(self, endpoint: Endpoint) -> endpoint_pb2.Endpoint:
        return endpoint_to_proto(endpoint, self._status(endpoint))
