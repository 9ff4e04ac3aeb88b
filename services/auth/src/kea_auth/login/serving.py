"""Puts logging in together, and serves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from kea_core.audit_trail import Tell
from kea_core.authority import Authority
from kea_core.background import repeat
from kea_core.clock import Clock
from kea_core.http_server import serve_http
from kea_core.settings import DrainSettings
from kea_core.task_scope import TaskScope
from kea_core.tls import Tls

from kea_auth.domain.signing_keys import SigningKeys
from kea_auth.domain.tokens import Tokens
from kea_auth.login.app import OAuthEndpoints, build_app
from kea_auth.login.attempts import Attempts
from kea_auth.login.browser_login import BrowserLogin
from kea_auth.login.cookies import Cookies
from kea_auth.login.device_pages import DevicePages
from kea_auth.login.devices import Devices
from kea_auth.login.exchange import Exchange
from kea_auth.login.flow import Flows
from kea_auth.login.login_trail import UPKEEP_SECONDS, LoginTrail
from kea_auth.login.passwords import Argon2Hasher
from kea_auth.login.ports import LoginStorage
from kea_auth.login.provider import read_providers
from kea_auth.login.providers import open_providers
from kea_auth.login.refusals import Refusals
from kea_auth.login.sessions import Sessions
from kea_auth.login.settings import LoginSettings
from kea_auth.login.token_endpoint import TokenEndpoint
from kea_auth.login.users import Users

OF_ADDRESS = 3
"""How much more often an address may try than a user: several people may share one."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the rest of auth needs of it."""

    users: Users
    sessions: Sessions


@asynccontextmanager
async def open_login(
    settings: LoginSettings,
    storage: LoginStorage,
    keys: SigningKeys,
    tokens: Tokens,
    authority: Authority,
    *,
    drain: DrainSettings,
    tls: Tls | None,
    tell: Tell | None,
    clock: Clock,
) -> AsyncGenerator[Login, None]:
    """Serves logging in, where settings say so, until the end of the block; `tell` takes what the audit log is told.

    Raises:
        SettingsError: the file of providers is wrong.
    """
    public_url = settings.public_url.rstrip("/")
    access_ttl = timedelta(seconds=settings.access_ttl_seconds)
    found = await asyncio.to_thread(read_providers, settings.providers_file)
    users = Users(storage, Argon2Hasher(), clock=clock)
    async with AsyncExitStack() as stack:
        providers = await stack.enter_async_context(open_providers(found, public_url))
        sessions = Sessions(
            storage,
            keys,
            users,
            providers,
            access_ttl=access_ttl,
            session_ttl=timedelta(seconds=settings.session_ttl_seconds),
            clock=clock,
        )
        devices = Devices(storage, sessions, clock=clock)
        of_users = Attempts(settings.attempts_per_minute, time.monotonic)
        of_addresses = Attempts(settings.attempts_per_minute * OF_ADDRESS, time.monotonic)
        login = BrowserLogin(
            sessions=sessions,
            users=users,
            devices=devices,
            providers=providers,
            flows=Flows(keys, clock),
            cookies=Cookies(secure=public_url.startswith("https://")),
            authority=authority,
            of_users=of_users,
            of_addresses=of_addresses,
            public_url=public_url,
            clock=clock,
        )
        exchange = Exchange(storage, providers, users, sessions)
        endpoint = TokenEndpoint(sessions, devices, exchange, tokens, authority, access_ttl=access_ttl, clock=clock)
        oauth = OAuthEndpoints(endpoint, devices, sessions, keys.jwks, of_addresses, public_url=public_url)
        trail = LoginTrail(tell, Refusals(time.monotonic))
        app = build_app(login, DevicePages(storage, devices, login, of_users), oauth, trail)
        if settings.http_address:
            serving = serve_http(app, settings.http_address, drain.grace_seconds, name="login", tls=tls)
            await stack.enter_async_context(serving)
            tasks = await stack.enter_async_context(TaskScope())
            tasks.create_task(repeat("refusals of logins", UPKEEP_SECONDS, trail.upkeep), name="refusals of logins")
        yield Login(users, sessions)
