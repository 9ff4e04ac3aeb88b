"""`kea up`, `kea down` and `kea status`, without their command line.

All services hang on `kea_sdk.platform.platform`, so only the process that becomes the platform imports it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from kea_core.garbage import freeze_lasting
from kea_core.logs import configure_logs
from kea_core.task_scope import first_error

from kea_sdk.platform.child import last_line
from kea_sdk.platform.errors import PlatformError
from kea_sdk.platform.layout import Layout, layout_of
from kea_sdk.platform.options import START_SECONDS, UpOptions
from kea_sdk.platform.state import PlatformState, PlatformStatus, is_alive, read_status

DOWN_SECONDS = 60.0
LOOK_SECONDS = 0.05


def up(options: UpOptions) -> PlatformStatus:
    """Starts a platform; without `detach`, runs it until SIGTERM or SIGINT.

    Raises:
        PlatformError: it cannot run, with the reason in one line.
        LayoutError: its directories cannot be used.
    """
    layout = layout_of(options.data)
    layout.prepare()
    return _detached(options, layout) if options.detach else _attached(options, layout)


def down(data: Path) -> bool:
    """Stops the platform that runs on `data` and waits for its end; returns whether one ran.

    Raises:
        PlatformError: it does not end.
    """
    status = status_of(data)
    if not status.pid:
        return False
    try:
        os.kill(status.pid, signal.SIGTERM)
    except ProcessLookupError:  # it has just ended
        return True
    except PermissionError as error:
        problem = f"the platform on {data} is not yours to stop (pid {status.pid})"
        raise PlatformError(problem) from error
    deadline = time.monotonic() + DOWN_SECONDS
    while is_alive(status.pid, status.create_time):
        if time.monotonic() > deadline:
            problem = f"pid {status.pid} does not end; kill it by hand, nothing it started will be left"
            raise PlatformError(problem)
        time.sleep(LOOK_SECONDS)
    return True


def status_of(data: Path) -> PlatformStatus:
    """Returns how the platform on `data` is doing; STOPPED where none runs."""
    layout = layout_of(data)
    return read_status(layout.state, layout.data)


def _attached(options: UpOptions, layout: Layout) -> PlatformStatus:
    from kea_sdk.platform.platform import only_one

    configure_logs("kea", "INFO" if not sys.stderr.isatty() else "WARNING")
    with only_one(layout):
        _port_is_free(options)
        try:
            asyncio.run(_until_signal(options, layout))
        except BaseExceptionGroup as errors:  # what fails takes others with it, whose errors say less
            raise first_error(errors.subgroup(PlatformError) or errors) from errors
    return read_status(layout.state, layout.data)


async def _until_signal(options: UpOptions, layout: Layout) -> None:
    from kea_sdk.platform.platform import Platform

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, stop.set)

    def ready(seconds: float) -> None:
        freeze_lasting()  # here, and by none of the services: they share the process
        sys.stdout.write(f"KEA is ready at {options.url} after {seconds:.1f} s; docs at {options.url}/docs\n")
        sys.stdout.flush()

    await Platform(options, layout).run(stop, ready)


def _port_is_free(options: UpOptions) -> None:
    """Asks before Envoy does, whose answer would be one line among many in a log."""
    try:
        address = ipaddress.ip_address(options.host)
    except ValueError as error:
        problem = f"{options.host!r} is no IP address to listen on; expected for example 127.0.0.1 or 0.0.0.0"
        raise PlatformError(problem) from error
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - of IP
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            problem = f"{options.host}:{options.port} cannot be used: {error.strerror}; choose another with --port"
            raise PlatformError(problem) from error


def _detached(options: UpOptions, layout: Layout) -> PlatformStatus:
    log = layout.logs / "kea.log"
    command = [sys.executable, "-m", "kea_sdk.cli", "up", "--host", options.host, "--port", str(options.port)]
    command += ["--data", str(layout.data), *(["--processes"] if options.processes else [])]
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        return _ready(process, layout, log, before)
    except BaseException:  # Ctrl-C too: whoever does not wait for it does not want it
        process.terminate()
        raise


def _ready(process: subprocess.Popen[bytes], layout: Layout, log: Path, log_begin: int) -> PlatformStatus:
    deadline = time.monotonic() + START_SECONDS + 5
    while time.monotonic() < deadline:
        status = read_status(layout.state, layout.data)
        if status.pid == process.pid and status.state is PlatformState.READY:
            return status
        if process.poll() is not None:
            told = last_line(log, since=log_begin).removeprefix("error: ")
            problem = told or f"kea up ended with code {process.returncode}; see {log}"
            raise PlatformError(problem)
        time.sleep(LOOK_SECONDS)
    problem = f"not ready in time; see {log}"
    raise PlatformError(problem)
