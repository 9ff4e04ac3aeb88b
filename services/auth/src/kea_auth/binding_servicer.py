"""BindingService."""

from __future__ import annotations

from google.protobuf import empty_pb2
from kea.auth.v1 import binding_pb2, binding_service_pb2, binding_service_pb2_grpc
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.principal import current_principal

from kea_auth import convert_policy as convert
from kea_auth.domain.bindings import Bindings


class BindingServicer(binding_service_pb2_grpc.BindingServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    async def CreateBinding(
        self, request: binding_service_pb2.CreateBindingRequest, context: Context
    ) -> binding_pb2.Binding:
        """Makes a binding."""
        del context
        member, role, resource = convert.binding_parts(request.binding)
        caller = current_principal()
        made = await self._bindings.create(member, role, resource, caller, dry=request.validate_only)
        return convert.binding_to_proto(made)

    async def GetBinding(self, request: binding_service_pb2.GetBindingRequest, context: Context) -> binding_pb2.Binding:
        """Returns one binding."""
        del context
        return convert.binding_to_proto(await self._bindings.get(convert.id_of(request.name, "kea.dev/Binding")))

    async def ListBindings(
        self, request: binding_service_pb2.ListBindingsRequest, context: Context
    ) -> binding_service_pb2.ListBindingsResponse:
        """Lists bindings."""
        del context
        listing = f"bindings on {request.resource} of {request.member}"
        page = read_page(listing, request.page_size, request.page_token)
        bindings, more = await self._bindings.page(page, request.resource, request.member)
        return binding_service_pb2.ListBindingsResponse(
            bindings=[convert.binding_to_proto(binding) for binding in bindings],
            next_page_token=page_token(listing, more) if more else "",
        )

    async def DeleteBinding(
        self, request: binding_service_pb2.DeleteBindingRequest, context: Context
    ) -> empty_pb2.Empty:
        """Deletes a binding."""
        del context
        member, role, resource = convert.binding_parts(request.binding)
        await self._bindings.delete(member, role, resource, dry=request.validate_only)
        return empty_pb2.Empty()
