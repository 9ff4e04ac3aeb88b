"""Mutual TLS between services: both sides show a certificate, and its files are renewed in place."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from kea_core.clock import Clock, utc_now
from kea_core.identity import Identity, read_identity
from kea_core.settings import SettingsError

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""Shortest time between two looks at the files. Certificates are renewed days before they end."""


def open_tls(directory: str) -> Tls | None:
    """Returns the TLS of a setting; none where it is empty, which is plaintext.

    Raises:
        SettingsError: a file is not what it should be.
    """
    return Tls(Path(directory)) if directory else None


class Tls:
    """What one process shows and whom it trusts, as its files say now. Servers call it on threads of gRPC's.

    Args:
        directory: of the files; see `kea_core.identity`.
        look_seconds: shortest time between two looks at the files.
        clock: tells whether a certificate is good.
        monotonic: tells when to look.

    Raises:
        SettingsError: a file is not what it should be.
    """

    def __init__(
        self,
        directory: Path,
        *,
        look_seconds: float = LOOK_SECONDS,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._look_seconds = look_seconds
        self._clock = clock
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._looked_at = monotonic()
        self._held = read_identity(directory, clock())
        self._problem = ""

    def identity(self) -> Identity:
        """Returns the last good identity: the same object as long as the files have nothing new.

        Files are looked at when somebody asks: nobody needs a new certificate but for a new connection.
        """
        with self._looking:
            if self._monotonic() - self._looked_at >= self._look_seconds:
                self._looked_at = self._monotonic()
                self._look()
            return self._held

    def load_into(self, context: ssl.SSLContext) -> None:
        """Has new connections of a context, which is no server's of gRPC's, show and trust what the files say now.

        Raises:
            SettingsError: a file is not what it should be; what it had before stays, at least in part.
        """
        try:
            context.load_cert_chain(self._directory / "tls.crt", self._directory / "tls.key")
            context.load_verify_locations(cadata=self.identity().authorities.decode("ascii"))
        except (OSError, ValueError) as error:
            problem = f"the certificate in {self._directory} cannot be used: {error!r}"
            raise SettingsError(problem) from error

    def _look(self) -> None:
        try:
            found, problem = read_identity(self._directory, self._clock()), ""
        except SettingsError as error:
            # Also where the files were replaced between two of them being read; the next look finds them whole.
            found, problem = self._held, str(error)
        if problem and problem != self._problem:
            log.error("certificate not renewed; the last good one is kept", extra={"problem": problem})
        self._problem = problem
        if found != self._held:
            log.info("certificate renewed", extra={"expires_at": found.expires_at.isoformat()})
            self._held = found

    def server_credentials(self) -> grpc.ServerCredentials:
        """Returns credentials of a server that takes clients with a certificate of an authority, and no others.

        Each new connection gets what is good then; those that are there go on.
        """
        served = self.identity()

        def renewed() -> Any:
            nonlocal served
            found = self.identity()
            if found is served:
                return None  # no change, though the types do not know of it
            served = found
            return _configuration(found)

        return grpc.dynamic_ssl_server_credentials(_configuration(served), renewed, require_client_authentication=True)


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Returns credentials of a client; the server must have a certificate of an authority for the address's host."""
    return grpc.ssl_channel_credentials(identity.authorities, identity.key, identity.certificate)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], identity.authorities)
