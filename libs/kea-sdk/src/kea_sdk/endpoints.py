"""Endpoints, through the gateway."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from google.protobuf import field_mask_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2, endpoint_service_pb2, endpoint_service_pb2_grpc

from kea_sdk.errors import NotFound
from kea_sdk.gateway import Gateway

WHOLE = 10_000
"""All requests, in basis points."""
PAGE = 1000
REVISIONS_PAGE = 10
"""Each has its pod templates, of up to some hundred kilobytes; an answer has up to eight megabytes."""


class Endpoints:
    """The router's calls for one project."""

    def __init__(self, gateway: Gateway, project: str) -> None:
        self._gateway = gateway
        self._parent = f"projects/{project}"
        self._stub = gateway.stub(endpoint_service_pb2_grpc.EndpointServiceStub)

    def get(self, endpoint: str) -> endpoint_pb2.Endpoint:
        """Returns an endpoint."""
        request = endpoint_service_pb2.GetEndpointRequest(name=self._name(endpoint))
        return self._gateway.call(self._stub.GetEndpoint, request, repeatable=True)

    def find(self, endpoint: str) -> endpoint_pb2.Endpoint | None:
        """Returns an endpoint, or None where there is none of that id."""
        try:
            return self.get(endpoint)
        except NotFound:
            return None

    def all(self) -> list[endpoint_pb2.Endpoint]:
        """Returns the project's endpoints by name."""
        found: list[endpoint_pb2.Endpoint] = []
        request = endpoint_service_pb2.ListEndpointsRequest(parent=self._parent, page_size=PAGE)
        while True:
            page = self._gateway.call(self._stub.ListEndpoints, request, repeatable=True)
            found += page.endpoints
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def revisions(self, endpoint: str) -> list[endpoint_revision_pb2.EndpointRevision]:
        """Returns what an endpoint has served, newest first."""
        found: list[endpoint_revision_pb2.EndpointRevision] = []
        request = endpoint_service_pb2.ListEndpointRevisionsRequest(
            parent=self._name(endpoint), page_size=REVISIONS_PAGE
        )
        while True:
            page = self._gateway.call(self._stub.ListEndpointRevisions, request, repeatable=True)
            found += page.endpoint_revisions
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def create(self, endpoint: str, targets: Sequence[endpoint_pb2.Target]) -> endpoint_pb2.Endpoint:
        """Makes an endpoint."""
        request = endpoint_service_pb2.CreateEndpointRequest(
            parent=self._parent,
            endpoint_id=endpoint,
            endpoint=endpoint_pb2.Endpoint(targets=targets),
            request_id=str(uuid.uuid4()),
        )
        return self._gateway.call(self._stub.CreateEndpoint, request, repeatable=True)

    def aim(
        self, found: endpoint_pb2.Endpoint, targets: Sequence[endpoint_pb2.Target], *, validate_only: bool = False
    ) -> endpoint_pb2.Endpoint:
        """Changes where an endpoint's requests go, unless it has changed since it was read."""
        wanted = endpoint_pb2.Endpoint(name=found.name, targets=targets, etag=found.etag)
        return self._update(wanted, ["targets"], validate_only=validate_only)

    def change(self, endpoint: str, wanted: endpoint_pb2.Endpoint, paths: Sequence[str]) -> endpoint_pb2.Endpoint:
        """Changes the fields that paths name."""
        wanted.name = self._name(endpoint)
        return self._update(wanted, paths)

    def _update(
        self, wanted: endpoint_pb2.Endpoint, paths: Sequence[str], *, validate_only: bool = False
    ) -> endpoint_pb2.Endpoint:
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = endpoint_service_pb2.UpdateEndpointRequest(
            endpoint=wanted, update_mask=mask, validate_only=validate_only
        )
        return self._gateway.call(self._stub.UpdateEndpoint, request)

    def delete(self, endpoint: str) -> None:
        """Deletes an endpoint; its deployments stay."""
        request = endpoint_service_pb2.DeleteEndpointRequest(name=self._name(endpoint))
        self._gateway.call(self._stub.DeleteEndpoint, request)

    def targeted(self, *, but: str = "") -> set[str]:
        """Returns the resource names of all deployments that endpoints, but one, send requests to."""
        return {target.deployment for entry in self.all() if entry.name != self._name(but) for target in entry.targets}

    def target(self, deployment: str, weight: int = WHOLE) -> endpoint_pb2.Target:
        """Returns the target that takes a share of the requests, in basis points, to a deployment."""
        return endpoint_pb2.Target(deployment=f"{self._parent}/deployments/{deployment}", weight=weight)

    def _name(self, endpoint: str) -> str:
        return f"{self._parent}/endpoints/{endpoint}"
