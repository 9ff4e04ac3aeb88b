"""Where everything of one platform lies."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kea_core.roles import SERVICE_ACCOUNTS

MAX_SOCKET_DIRECTORY = 60
"""Characters; the kernel bounds a socket's whole path to 107, and replicas' names must fit behind it."""


class LayoutError(Exception):
    """A directory cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one platform. Everything below both directories is for its owner only."""

    data: Path
    """Databases, artifacts, logs, secrets: what lasts."""
    sockets: Path
    """Unix sockets: what ends with the platform. Elsewhere than `data`, because its path must be short."""

    @property
    def admin_token(self) -> Path:
        """File with the bootstrap admin's token."""
        return self.data / "admin.token"

    @property
    def state(self) -> Path:
        """File that says how the running platform is doing."""
        return self.data / "platform.json"

    @property
    def lock(self) -> Path:
        """File locked by the platform that runs on this data."""
        return self.data / "platform.lock"

    @property
    def logs(self) -> Path:
        """Directory of logs."""
        return self.data / "logs"

    @property
    def service_credentials(self) -> Path:
        """Directory with a secret per service account."""
        return self.data / "secrets" / "service-accounts"

    def credential(self, service_account: str) -> Path:
        """File with a service account's secret."""
        return self.service_credentials / service_account

    def database(self, service: str) -> str:
        """URL of a service's database."""
        return f"sqlite:///{self.data / 'databases' / f'{service}.db'}"

    def socket(self, name: str) -> str:
        """GRPC address of a service."""
        return f"unix:{self.sockets / f'{name}.sock'}"

    def prepare(self) -> None:
        """Makes the directories and the service accounts' secrets that are missing.

        Raises:
            LayoutError: a directory belongs to someone else or cannot be made.
        """
        for directory in (self.data, self.sockets, self.logs, self.data / "databases", self.service_credentials):
            _private_directory(directory)
        for account in SERVICE_ACCOUNTS:
            _secret(self.credential(account))


def layout_of(data: Path) -> Layout:
    """Returns the layout of the platform whose data lies in `data`."""
    data = data.expanduser().resolve()
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:10]
    candidates = [Path(os.environ["XDG_RUNTIME_DIR"])] if os.environ.get("XDG_RUNTIME_DIR") else []
    candidates += [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - a directory of mode 0700 is made in it
    for parent in candidates:
        sockets = parent / f"kea-{os.getuid()}-{digest}"
        if parent.is_dir() and os.access(parent, os.W_OK) and len(str(sockets)) <= MAX_SOCKET_DIRECTORY:
            return Layout(data, sockets)
    problem = "no directory for sockets: expected XDG_RUNTIME_DIR or TMPDIR to be short and writable"
    raise LayoutError(problem)


def _private_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            problem = f"{directory} is not a directory of yours; move it away or choose another with --data"
            raise LayoutError(problem)
        if found.st_mode & stat.S_IWOTH:  # as /tmp is: others use it, it must not be closed to them
            problem = f"{directory} is shared with others; choose another with --data"
            raise LayoutError(problem)
        directory.chmod(0o700)
    except OSError as error:
        problem = f"{directory} cannot be used: {error.strerror}"
        raise LayoutError(problem) from error


def _secret(path: Path) -> None:
    """Makes a secret that is whole or not there, also after a crash in between."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
