"""The composition root: the only module that knows all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from kea.auth.v1 import signing_key_service_pb2_grpc, token_service_pb2_grpc
from kea_core.background import PAUSE_SECONDS, repeat
from kea_core.change_feed import ChangeFeed
from kea_core.clock import Clock, utc_now
from kea_core.database import migrate, open_database
from kea_core.lifecycle import cancel_after
from kea_core.server import ServedService, serve
from kea_core.tls import open_tls
from kea_core.tokens import TokenVerifier
from prometheus_client import CollectorRegistry

from kea_auth.background import BootstrapToken, follow_own_keys
from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.domain.tokens import Tokens
from kea_auth.settings import AuthSettings
from kea_auth.signing_key_servicer import SigningKeyServicer
from kea_auth.store.credential_directory import CredentialDirectory
from kea_auth.store.key_store import SqlKeyStore
from kea_auth.store.tables import FEED
from kea_auth.token_servicer import TokenServicer

MIGRATIONS = Path(__file__).parent / "migrations"
FORGET_SECONDS = 3600.0
"""How often the change feed forgets old removals."""


async def run(
    settings: AuthSettings,
    stop: asyncio.Event,
    ready: Callable[[], None],
    *,
    metrics: CollectorRegistry,
    clock: Clock = utc_now,
) -> None:
    """Runs auth until `stop` is set; calls `ready()` once it serves and the bootstrap token is in its file."""
    tls = open_tls(settings.tls_directory)
    await migrate(settings.database, MIGRATIONS)
    async with AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(open_database(settings.database))
        feed = ChangeFeed(sessions, FEED, clock=clock)
        keys = SigningKeys(
            SqlKeyStore(sessions, feed),
            activation_delay=timedelta(seconds=settings.activation_delay_seconds),
            rotate_after=timedelta(seconds=settings.rotate_after_seconds),
            clock=clock,
        )
        tokens = Tokens(
            keys,
            CredentialDirectory(settings.service_credentials_directory),
            service_ttl=timedelta(seconds=settings.service_token_ttl_seconds),
            clock=clock,
        )
        await keys.upkeep()
        verifier = TokenVerifier()
        verifier.use(await keys.jwks())
        server = await stack.enter_async_context(
            serve(
                settings.address,
                [
                    ServedService(
                        "kea.auth.v1.TokenService",
                        lambda it: token_service_pb2_grpc.add_TokenServiceServicer_to_server(TokenServicer(tokens), it),
                    ),
                    ServedService(
                        "kea.auth.v1.SigningKeyService",
                        lambda it: signing_key_service_pb2_grpc.add_SigningKeyServiceServicer_to_server(
                            SigningKeyServicer(keys), it
                        ),
                    ),
                ],
                verifier=verifier,
                metrics=metrics,
                drain=settings.drain,
                tls=tls,
                health_address=settings.health_address,
            )
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(repeat("own keys", PAUSE_SECONDS, lambda: follow_own_keys(keys, verifier))),
                group.create_task(repeat("upkeep", settings.upkeep_seconds, keys.upkeep)),
                group.create_task(repeat("forget removals", FORGET_SECONDS, feed.forget_old)),
            ]
            if settings.bootstrap_token_file:
                ttl = timedelta(seconds=settings.bootstrap_token_ttl_seconds)
                bootstrap = BootstrapToken(tokens, Path(settings.bootstrap_token_file), ttl, clock)
                await bootstrap.upkeep()
                tasks.append(group.create_task(repeat("bootstrap token", settings.upkeep_seconds, bootstrap.upkeep)))
            await server.ready()
            ready()
            await cancel_after(stop, tasks)
