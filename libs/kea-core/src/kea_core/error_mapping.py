"""The interceptor that turns what was raised into a status."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc

from kea_core import status
from kea_core.errors import KeaError, ServiceUnavailable
from kea_core.interceptors import Around, Context, Details

log = logging.getLogger(__name__)


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
        except Exception:
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
