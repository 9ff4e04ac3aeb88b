"""Where KEA is and who asks: by arguments, the environment, the configuration file, or the running platform."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import platformdirs
import yaml
from kea_core.settings import Secret

from kea_sdk.errors import SettingsError

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_PROJECT = "default"
_KEYS = ("url", "token", "project", "data", "database")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What a client needs to know."""

    url: str
    """The gateway, `http://HOST:PORT` or `https://HOST[:PORT]`, without a path."""
    project: str
    token: str = ""
    """A token that was given; empty where it is to be read from `token_file`."""
    token_file: Path | None = None
    """File in which the running platform keeps the administrator's token, and renews it."""
    data: Path
    """Where the platform of this machine keeps everything."""

    @property
    def host(self) -> str:
        """The gateway's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def target(self) -> str:
        """The gateway as gRPC names it."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if self.secure else 80)
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("https://")

    @property
    def loopback(self) -> bool:
        """Whether the gateway is on this machine, where no proxy may stand between."""
        return self.host in _LOOPBACK


def read_settings(
    *,
    url: str | None = None,
    token: str | None = None,
    project: str | None = None,
    data: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ClientSettings:
    """Returns the settings, by precedence: arguments, `KEA_*` variables, the configuration file, the running platform.

    A token only ever goes to the platform it is for: that of the configuration file to the file's URL, and that of this
    machine's platform to the URL it announced, or to this machine.

    Raises:
        SettingsError: the configuration file or the URL is wrong.
    """
    env = os.environ if environment is None else environment
    config = _read_config(config_file(env))
    place = data or _path(env.get("KEA_DATA")) or _path(config.get("data")) or home_directory(env) / "data"
    announced = _announced(place)
    found = url or env.get("KEA_URL") or config.get("url") or announced or DEFAULT_URL
    found = _checked(found)
    given = token or env.get("KEA_TOKEN") or ""
    if not given and config.get("token") and found == _checked(config.get("url") or found):
        given = config["token"]
    token_file = None
    if not given and (found == announced or urlsplit(found).hostname in _LOOPBACK):
        token_file = place / "admin.token"
    return ClientSettings(
        url=found,
        project=project or env.get("KEA_PROJECT") or config.get("project") or DEFAULT_PROJECT,
        token=given,
        token_file=token_file,
        data=place,
    )


def database_url(environment: Mapping[str, str] | None = None) -> Secret:
    """Returns the database of this machine's platform: `KEA_DATABASE`, or the configuration file's `database`.

    Empty: it keeps its tables in files below its data. Never an argument: it may carry a password, and arguments can
    be listed by others.

    Raises:
        SettingsError: it is not PostgreSQL's.
    """
    env = os.environ if environment is None else environment
    found = env.get("KEA_DATABASE") or _read_config(config_file(env)).get("database") or ""
    if found and not found.startswith("postgresql://"):
        problem = "KEA_DATABASE is not usable; expected postgresql://USER:PASSWORD@HOST/DATABASE"
        raise SettingsError(problem)
    return Secret(found)


def home_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Returns the directory of everything of KEA's on this machine."""
    env = os.environ if environment is None else environment
    return _path(env.get("KEA_HOME")) or Path(platformdirs.user_data_dir("kea"))


def config_file(environment: Mapping[str, str] | None = None) -> Path:
    """Returns where the configuration file is looked for."""
    env = os.environ if environment is None else environment
    directory = _path(env.get("KEA_HOME")) or Path(platformdirs.user_config_dir("kea"))
    return directory / "config.yaml"


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _read_config(path: Path) -> dict[str, str]:
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = f"{path} cannot be read: {' '.join(str(error).split())}"
        raise SettingsError(problem) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        problem = f"{path} must be a mapping with any of {', '.join(_KEYS)}"
        raise SettingsError(problem)
    settings = cast("dict[Any, Any]", document)
    unknown = [str(key) for key in settings if key not in _KEYS]
    if unknown:
        problem = f"{path} has unknown keys {', '.join(unknown)}; expected any of {', '.join(_KEYS)}"
        raise SettingsError(problem)
    return {str(key): str(value) for key, value in settings.items() if value is not None}


def _announced(data: Path) -> str:
    """Returns the URL of the platform that runs on this machine, or nothing."""
    try:
        document = json.loads((data / "platform.json").read_text("utf-8"))
        return str(document["url"]).rstrip("/")
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _checked(url: str) -> str:
    parts = urlsplit(url.rstrip("/"))
    try:
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        problem = f"{url!r} is not KEA's address; expected http://HOST:PORT or https://HOST"
        raise SettingsError(problem)
    return url.rstrip("/")
