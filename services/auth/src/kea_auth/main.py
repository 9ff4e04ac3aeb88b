"""The composition root: the only module that knows all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from kea.auth.v1 import (
    access_service_pb2_grpc,
    binding_service_pb2_grpc,
    role_service_pb2_grpc,
    service_account_service_pb2_grpc,
    signing_key_service_pb2_grpc,
    token_service_pb2_grpc,
    user_service_pb2_grpc,
)
from kea_core.audit_outbox import AuditOutbox
from kea_core.authority import Authority
from kea_core.background import PAUSE_SECONDS, repeat
from kea_core.change_feed import ChangeFeed
from kea_core.clock import Clock, utc_now
from kea_core.database import migrate, open_database
from kea_core.idempotency import SeenRequests
from kea_core.lifecycle import cancel_after
from kea_core.server import ServedService, serve
from kea_core.tls import open_tls
from prometheus_client import CollectorRegistry

from kea_auth.access_servicer import AccessServicer
from kea_auth.audit.keeping import open_audit
from kea_auth.background import BootstrapToken, follow_own_keys
from kea_auth.binding_servicer import BindingServicer
from kea_auth.domain.access import Access
from kea_auth.domain.api_keys import ApiKeys
from kea_auth.domain.bindings import Bindings
from kea_auth.domain.ports import PolicyStore, Storage
from kea_auth.domain.revocations import Revocations
from kea_auth.domain.roles import Roles
from kea_auth.domain.service_accounts import ServiceAccounts
from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.domain.tokens import Tokens
from kea_auth.login.serving import open_login
from kea_auth.login.users import Users
from kea_auth.own_policy import OwnPolicy
from kea_auth.role_servicer import RoleServicer
from kea_auth.service_account_servicer import ServiceAccountServicer
from kea_auth.settings import AuthSettings
from kea_auth.signing_key_servicer import SigningKeyServicer
from kea_auth.store.credential_directory import CredentialDirectory
from kea_auth.store.key_store import SqlKeyStore
from kea_auth.store.policy_store import SqlPolicyStore
from kea_auth.store.storage import SqlStorage
from kea_auth.store.tables import AUDIT_EVENTS, FEED, REQUESTS
from kea_auth.token_servicer import TokenServicer
from kea_auth.user_servicer import UserServicer

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
        outbox = AuditOutbox(AUDIT_EVENTS) if settings.audit.reported else None
        sessions = await stack.enter_async_context(open_database(settings.database, outbox=outbox))
        feed = ChangeFeed(sessions, FEED, clock=clock)
        keys = SigningKeys(
            SqlKeyStore(sessions, feed),
            activation_delay=timedelta(seconds=settings.activation_delay_seconds),
            rotate_after=timedelta(seconds=settings.rotate_after_seconds),
            clock=clock,
        )
        authority, policy = Authority(), SqlPolicyStore(sessions, feed)
        own = OwnPolicy(policy, authority)
        storage = SqlStorage(sessions, feed, SeenRequests(REQUESTS, clock=clock), own.committed)
        tokens = Tokens(
            keys,
            storage,
            CredentialDirectory(settings.service_credentials_directory),
            service_ttl=timedelta(seconds=settings.service_token_ttl_seconds),
            clock=clock,
        )
        revocations = Revocations(storage, clock=clock)
        await keys.upkeep()
        authority.use_keys(await keys.jwks())
        await own.catch_up()
        opened = open_audit(settings.audit, metrics, tls=tls, outbox=outbox, sessions=sessions)
        audit = await stack.enter_async_context(opened)
        opened_login = open_login(
            settings.login,
            storage,
            keys,
            tokens,
            authority,
            drain=settings.drain,
            tls=tls,
            tell=audit.tell,
            clock=clock,
        )
        login = await stack.enter_async_context(opened_login)
        services = [
            _user_service(login.users, clock),
            *_token_services(keys, tokens, revocations),
            *_policy_services(keys, storage, policy, authority, clock),
            audit.service,
        ]
        server = await stack.enter_async_context(
            serve(
                settings.address,
                services,
                authority=authority,
                metrics=metrics,
                drain=settings.drain,
                tls=tls,
                health_address=settings.health_address,
                tell=audit.tell,
            )
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(repeat("own keys", PAUSE_SECONDS, lambda: follow_own_keys(keys, authority))),
                group.create_task(repeat("own policy", PAUSE_SECONDS, own.follow)),
                group.create_task(repeat("upkeep", settings.upkeep_seconds, keys.upkeep)),
                group.create_task(repeat("expired revocations", settings.upkeep_seconds, revocations.upkeep)),
                group.create_task(repeat("expired sessions", settings.upkeep_seconds, login.sessions.upkeep)),
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


def _user_service(users: Users, clock: Clock) -> ServedService:
    user = UserServicer(users, clock=clock)
    return ServedService(
        "kea.auth.v1.UserService",
        lambda server: user_service_pb2_grpc.add_UserServiceServicer_to_server(user, server),
    )


def _token_services(keys: SigningKeys, tokens: Tokens, revocations: Revocations) -> list[ServedService]:
    """Returns the services that say who somebody is."""
    token, signing_key = TokenServicer(tokens, revocations), SigningKeyServicer(keys)
    return [
        ServedService(
            "kea.auth.v1.TokenService",
            lambda server: token_service_pb2_grpc.add_TokenServiceServicer_to_server(token, server),
        ),
        ServedService(
            "kea.auth.v1.SigningKeyService",
            lambda server: signing_key_service_pb2_grpc.add_SigningKeyServiceServicer_to_server(signing_key, server),
        ),
    ]


def _policy_services(
    keys: SigningKeys, storage: Storage, policy: PolicyStore, authority: Authority, clock: Clock
) -> list[ServedService]:
    """Returns the services that say what somebody may do."""
    accounts, bindings = ServiceAccounts(storage, clock=clock), Bindings(storage, clock=clock)
    role = RoleServicer(Roles(storage, clock=clock), clock=clock)
    binding = BindingServicer(bindings)
    account = ServiceAccountServicer(accounts, ApiKeys(storage, keys, clock=clock), clock=clock)
    access = AccessServicer(Access(lambda: authority.policy, accounts), bindings, policy)
    return [
        ServedService(
            "kea.auth.v1.RoleService",
            lambda server: role_service_pb2_grpc.add_RoleServiceServicer_to_server(role, server),
        ),
        ServedService(
            "kea.auth.v1.BindingService",
            lambda server: binding_service_pb2_grpc.add_BindingServiceServicer_to_server(binding, server),
        ),
        ServedService(
            "kea.auth.v1.ServiceAccountService",
            lambda server: service_account_service_pb2_grpc.add_ServiceAccountServiceServicer_to_server(
                account, server
            ),
        ),
        ServedService(
            "kea.auth.v1.AccessService",
            lambda server: access_service_pb2_grpc.add_AccessServiceServicer_to_server(access, server),
        ),
    ]
