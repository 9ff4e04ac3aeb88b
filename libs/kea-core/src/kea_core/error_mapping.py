"""The interceptor that turns what was raised into a status."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import FrameType

import grpc

from kea_core import status
from kea_core.errors import KeaError, ServiceUnavailable
from kea_core.interceptors import Around, Context, Details

log = logging.getLogger(__name__)

GOING = frozenset({"57P01", "57P02", "57P03"})
"""PostgreSQL's admin_shutdown, crash_shutdown and cannot_connect_now (its manual, appendix A)."""

DRIVER = "asyncpg"


class ErrorMapping(Around):
    """Domain errors become their status; all others are whole in the log and INTERNAL for the caller."""

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Maps what the call raises."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except KeaError as error:
            await status.abort(context, status.to_status(error))
        except grpc.aio.AioRpcError as error:
            await self._abort_as_peer(details, context, error)
        except Exception as error:
            if _is_database_away(error):
                log.warning("database does not answer", extra={"method": details.method, "problem": str(error)})
                database = "the database"
                await status.abort(context, status.to_status(ServiceUnavailable(database)))
            log.exception("method failed", extra={"method": details.method})
            await status.abort(context, status.internal())

    async def _abort_as_peer(self, details: Details, context: Context, error: grpc.aio.AioRpcError) -> None:
        """Passes on what another service of KEA's told, where it told it on purpose."""
        if status.error_info(error) is not None and error.code() is not grpc.StatusCode.INTERNAL:
            trailing = tuple(pair for pair in error.trailing_metadata() if pair[0] == status.DETAILS_KEY)
            await context.abort(error.code(), error.details() or "", trailing_metadata=trailing)
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            log.warning("peer does not answer", extra={"method": details.method, "problem": error.details()})
            peer = "another service"
            await status.abort(context, status.to_status(ServiceUnavailable(peer)))
        log.error("peer failed", extra={"method": details.method, "problem": repr(error)})
        await status.abort(context, status.internal())


def _is_database_away(error: Exception) -> bool:
    """Returns whether a database was not reached, ended the connection, or is starting or stopping.

    Told by what SQLAlchemy and PostgreSQL say of their errors: services without a database load neither. While
    connecting, the driver lets through what the system says: refused, or that there is no such socket or host.
    """
    if isinstance(error, ConnectionError) or getattr(error, "connection_invalidated", False):
        return True
    if isinstance(error, OSError) and any(_is_drivers(frame) for frame, _ in traceback.walk_tb(error.__traceback__)):
        return True
    return any(getattr(part, "sqlstate", "") in GOING for part in (error, getattr(error, "orig", None)))


def _is_drivers(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == DRIVER
