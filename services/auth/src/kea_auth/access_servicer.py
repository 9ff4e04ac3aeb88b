"""AccessService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from kea.auth.v1 import access_service_pb2, access_service_pb2_grpc
from kea_core.interceptors import Context
from kea_core.principal import current_principal

from kea_auth import convert_policy as convert
from kea_auth.domain.access import Access
from kea_auth.domain.bindings import Bindings
from kea_auth.domain.ports import PolicyStore


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, access: Access, bindings: Bindings, policy: PolicyStore) -> None:
        self._access = access
        self._bindings = bindings
        self._policy = policy

    async def CheckAccess(
        self, request: access_service_pb2.CheckAccessRequest, context: Context
    ) -> access_service_pb2.CheckAccessResponse:
        """Tells whether someone may do something, and why."""
        del context
        answer = await self._access.check(convert.question(request), current_principal())
        response = access_service_pb2.CheckAccessResponse(allowed=answer.allowed, explanation=answer.explanation)
        if answer.binding is not None:
            response.binding.CopyFrom(convert.decided_binding_to_proto(answer.binding))
            kept = await self._bindings.find(answer.binding.name.rpartition("/")[2])
            if kept is not None:  # KEA may come with it
                response.binding.CopyFrom(convert.binding_to_proto(kept))
        return response

    async def GetCaller(
        self, request: access_service_pb2.GetCallerRequest, context: Context
    ) -> access_service_pb2.Caller:
        """Tells who calls."""
        del request, context
        return convert.caller_to_proto(current_principal())

    async def WatchPolicy(
        self, request: access_service_pb2.WatchPolicyRequest, context: Context
    ) -> AsyncIterator[access_service_pb2.WatchPolicyResponse]:
        """Sends the policy, then each change."""
        del context
        async with aclosing(self._policy.watch(request.since_revision)) as changes:
            async for change in changes:
                yield convert.change_to_proto(change)
