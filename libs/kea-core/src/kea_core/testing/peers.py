"""Small services that stand in for a service's neighbours, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from kea.auth.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    binding_pb2,
    signing_key_service_pb2,
    signing_key_service_pb2_grpc,
    token_pb2,
    token_service_pb2,
    token_service_pb2_grpc,
)
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc

from kea_core import status
from kea_core.errors import RevisionExpired
from kea_core.server import listen
from kea_core.testing.tokens import TEST_BINDINGS, jwks_of, make_token

Context = grpc.aio.ServicerContext[Any, Any]


class FakeAuth(
    access_service_pb2_grpc.AccessServiceServicer,
    signing_key_service_pb2_grpc.SigningKeyServiceServicer,
    token_service_pb2_grpc.TokenServiceServicer,
):
    """Knows the one key of `kea_core.testing.tokens`, gives every service an admin's token, and tells a policy."""

    def __init__(self) -> None:
        self._told: list[access_service_pb2.WatchPolicyResponse] = []
        self._changed = asyncio.Event()
        for binding in TEST_BINDINGS.values():
            self.bind(binding.member, binding.role)

    def bind(self, member: str, role: str, resource: str = "") -> str:
        """Makes a binding; returns its name."""
        name = f"bindings/b{len(self._told)}"
        binding = binding_pb2.Binding(name=name, member=member, role=f"roles/{role}", resource=resource)
        self._tell(binding=binding)
        return name

    def delete(self, name: str) -> None:
        """Deletes a binding, a role or a revocation."""
        self._tell(deleted=name)

    def revoke(self, uid: str) -> None:
        """Has tokens refused that carry this id."""
        self._tell(revocation=access_service_pb2.WatchPolicyResponse.Revocation(name=f"revocations/{uid}"))

    def _tell(self, **change: Any) -> None:
        revision = len(self._told) + 1
        self._told.append(access_service_pb2.WatchPolicyResponse(revision=revision, **change))
        self._changed.set()
        self._changed = asyncio.Event()

    async def WatchPolicy(  # noqa: N802 - the proto's name
        self, request: access_service_pb2.WatchPolicyRequest, context: Context
    ) -> AsyncIterator[access_service_pb2.WatchPolicyResponse]:
        """Tells every change after a revision, then goes on."""
        del context
        last = request.since_revision
        while True:
            changed = self._changed
            for message in self._told[last:]:
                yield message
            last = len(self._told)
            yield access_service_pb2.WatchPolicyResponse(revision=last)
            await changed.wait()

    async def WatchSigningKeys(  # noqa: N802 - the proto's name
        self, request: signing_key_service_pb2.WatchSigningKeysRequest, context: Context
    ) -> AsyncIterator[signing_key_service_pb2.WatchSigningKeysResponse]:
        """Tells the key, then nothing more."""
        del request, context
        yield signing_key_service_pb2.WatchSigningKeysResponse(revision=1, jwks=jwks_of())
        await asyncio.Event().wait()

    async def ExchangeServiceCredential(  # noqa: N802 - the proto's name
        self, request: token_service_pb2.ExchangeServiceCredentialRequest, context: Context
    ) -> token_pb2.Token:
        """Takes any secret."""
        del request, context
        token = token_pb2.Token(access_token=make_token("admin"))
        token.expire_time.FromSeconds(int(time.time()) + 60)
        return token


class FakeDeployer(deployment_service_pb2_grpc.DeploymentServiceServicer):
    """Tells of the deployments it is given."""

    def __init__(self) -> None:
        self.revision = 0
        """Of the last change."""
        self.oldest = 0
        """Watches from a revision before this one are refused."""
        self.silent = False
        """Whether watches tell nothing; `speak()` ends it."""
        self._changes: dict[str, tuple[int, deployment_pb2.Deployment | None]] = {}
        self._changed = asyncio.Event()

    def put(
        self, name: str, replicas: Iterable[deployment_pb2.Replica] = (), *, version: int | str = 1, **rest: Any
    ) -> None:
        """Has a deployment with these replicas, and the rest as given."""
        message = deployment_pb2.Deployment(name=name, replicas=replicas, **rest)
        message.model_version = f"projects/default/models/iris/versions/{version}"
        self._note(name, message)

    def remove(self, name: str) -> None:
        """Has a deployment no longer."""
        self._note(name, None)

    def lose(self, name: str) -> None:
        """Has a deployment no longer and has forgotten that there was one."""
        del self._changes[name]
        self.revision += 1

    def interrupt(self) -> None:
        """Ends all watches."""
        self.revision += 1
        self.oldest = self.revision
        self._wake()

    def speak(self) -> None:
        """Tells what there is again."""
        self.silent = False
        self._wake()

    def _note(self, name: str, message: deployment_pb2.Deployment | None) -> None:
        self.revision += 1
        self._changes[name] = (self.revision, message)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def WatchDeployments(  # noqa: N802 - the proto's name
        self, request: deployment_service_pb2.WatchDeploymentsRequest, context: Context
    ) -> AsyncIterator[deployment_service_pb2.WatchDeploymentsResponse]:
        """Tells what has changed, then goes on."""
        last, whole = request.since_revision, request.since_revision == 0
        while True:
            changed, newest = self._changed, self.revision
            if self.silent:
                await changed.wait()
                continue
            if 0 < last < self.oldest:
                await status.abort(context, status.to_status(RevisionExpired(last, self.oldest)))
            for name, (revision, message) in sorted(self._changes.items(), key=lambda item: item[1][0]):
                if revision > last and message is not None:
                    yield deployment_service_pb2.WatchDeploymentsResponse(revision=revision, upserted=message)
                elif revision > last and not whole:
                    yield deployment_service_pb2.WatchDeploymentsResponse(revision=revision, deleted=name)
            last, whole = newest, False
            yield deployment_service_pb2.WatchDeploymentsResponse(revision=last)
            await changed.wait()


@asynccontextmanager
async def serve_auth(address: str) -> AsyncGenerator[FakeAuth, None]:
    """Serves a small auth."""
    auth = FakeAuth()
    server = grpc.aio.server()
    access_service_pb2_grpc.add_AccessServiceServicer_to_server(auth, server)
    signing_key_service_pb2_grpc.add_SigningKeyServiceServicer_to_server(auth, server)
    token_service_pb2_grpc.add_TokenServiceServicer_to_server(auth, server)
    listen(server, address)
    await server.start()
    try:
        yield auth
    finally:
        await server.stop(0)


@asynccontextmanager
async def serve_deployer(address: str, deployer: FakeDeployer) -> AsyncGenerator[FakeDeployer, None]:
    """Serves a small deployer."""
    server = grpc.aio.server()
    deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server(deployer, server)
    listen(server, address)
    await server.start()
    try:
        yield deployer
    finally:
        await server.stop(0)
