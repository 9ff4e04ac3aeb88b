"""The operator's composition root."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from kea_core.authority import Authority
from kea_core.client import ServiceTokens, open_channel
from kea_core.clock import utc_now
from kea_core.lifecycle import cancel_after
from kea_core.server import serve
from kea_core.settings import Secret
from kea_core.tls import open_tls
from prometheus_client import CollectorRegistry

from kea_deployer.cluster.api import connect
from kea_deployer.cluster.leader import Leader
from kea_deployer.operator.metrics import OperatorMetrics
from kea_deployer.operator.reign import Reign
from kea_deployer.operator.settings import OperatorSettings

ACCOUNT = "operator"


async def run(
    settings: OperatorSettings,
    stop: asyncio.Event,
    ready: Callable[[], None],
    *,
    metrics: CollectorRegistry,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Runs the operator until `stop`; calls `ready` once it can lead, whether it does or another one.

    It is ready also while KEA's API is away: what it waits for then is told in its resources' statuses.
    """
    tls = open_tls(settings.tls_directory)
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(open_channel(settings.auth_address, tls=tls))
        secret = Secret((await asyncio.to_thread(settings.credential_file.read_text)).strip())
        tokens = ServiceTokens(auth, ACCOUNT, secret)
        registry = await stack.enter_async_context(open_channel(settings.registry_address, tokens, tls=tls))
        deployer = await stack.enter_async_context(open_channel(settings.deployer_address, tokens, tls=tls))
        router = await stack.enter_async_context(open_channel(settings.router_address, tokens, tls=tls))
        api = await stack.enter_async_context(connect("", settings.kubeconfig, metrics))
        # Serves nothing but its health.
        server = await stack.enter_async_context(
            serve(
                settings.address,
                (),
                authority=Authority(),
                metrics=metrics,
                drain=settings.drain,
                tls=tls,
                health_address=settings.health_address,
            )
        )

        told = OperatorMetrics(metrics)

        async def reign() -> None:
            made = Reign(
                settings,
                api,
                registry=registry,
                deployer=deployer,
                router=router,
                environ=environ,
                clock=utc_now,
                metrics=told,
            )
            await made.run()

        me = f"{socket.gethostname()}_{uuid.uuid4().hex}"
        leader = Leader(api.within(settings.lease_namespace), settings.lease_name, me, monotonic=time.monotonic)
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(leader.run(reign), name="leader")]
            await server.ready()
            ready()
            await cancel_after(stop, background)
