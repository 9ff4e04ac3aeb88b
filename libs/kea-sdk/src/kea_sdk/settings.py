"""Where KEA is and who asks: by arguments, the environment, the configuration file, or the running platform."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from kea_core.settings import Secret

from kea_sdk import address
from kea_sdk.config_file import read_config
from kea_sdk.errors import SettingsError
from kea_sdk.login_store import LoginStore
from kea_sdk.tokens import is_token

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_PROJECT = "default"
NO_TOKEN = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What a client needs to know."""

    url: str
    """The gateway, `http://HOST:PORT` or `https://HOST[:PORT]`, without a path."""
    project: str
    """The project whose resources short names are of."""
    token: Secret = NO_TOKEN
    """A token that was given; empty where it is to be read from `token_file`."""
    token_file: Path | None = None
    """File in which the running platform keeps the administrator's token, and renews it."""
    login_file: Path | None = None
    """File with tokens of `kea login` for this gateway; none where nobody has logged in, or a token was given."""
    data: Path
    """Where the platform of this machine keeps everything."""

    @property
    def host(self) -> str:
        """The gateway's host."""
        return address.host_of(self.url)

    @property
    def target(self) -> str:
        """The gateway as gRPC names it."""
        port = address.port_of(self.url)
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("https://")

    @property
    def loopback(self) -> bool:
        """Whether the gateway is on this machine, where no proxy may stand between."""
        return address.is_loopback(self.url)


def read_settings(
    *,
    url: str | None = None,
    token: str | None = None,
    project: str | None = None,
    data: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ClientSettings:
    """Returns the settings, by precedence: arguments, `KEA_*` variables, the configuration file, the running platform.

    Whoever has logged in at a gateway is who asks there, rather than the administrator of this machine's platform.

    A token only ever goes to the platform it is for: that of the configuration file to the file's URL (where it names
    none: to where one gets without saying anything), that of this machine's platform to the URL it announced.

    Raises:
        SettingsError: the configuration file, the URL or the token is wrong.
    """
    env = os.environ if environment is None else environment
    file = config_file(env)
    config = read_config(file)
    place = _place(data, env, config)
    announced = _announced(place)
    unsaid = address.checked(config.get("url") or announced or DEFAULT_URL)
    said = url or env.get("KEA_URL")
    found = address.checked(said) if said else unsaid
    given = _usable(token, "the token that was given") or _usable(env.get("KEA_TOKEN"), "KEA_TOKEN")
    if not given and address.same_place(found, unsaid):
        given = _usable(config.get("token"), f"the token in {file}")
    logged_in = not given and LoginStore(login_file(env)).get(found) is not None
    theirs = not given and not logged_in and announced and address.same_place(found, announced)
    return ClientSettings(
        url=found,
        project=project or env.get("KEA_PROJECT") or config.get("project") or DEFAULT_PROJECT,
        token=given,
        token_file=place / "admin.token" if theirs else None,
        login_file=login_file(env) if logged_in else None,
        data=place,
    )


def data_directory(data: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """Returns where this machine's platform keeps everything: by argument, `KEA_DATA` or the configuration file.

    Raises:
        SettingsError: the configuration file is wrong.
    """
    env = os.environ if environment is None else environment
    return _place(data, env, read_config(config_file(env)))


def database_url(environment: Mapping[str, str] | None = None) -> Secret:
    """Returns the database of this machine's platform: `KEA_DATABASE`, or the configuration file's `database`.

    Empty: it keeps its tables in files below its data. Never an argument: it may carry a password, and arguments can
    be listed by others.

    Raises:
        SettingsError: it is not PostgreSQL's.
    """
    env = os.environ if environment is None else environment
    found = env.get("KEA_DATABASE") or read_config(config_file(env)).get("database") or ""
    if found and not found.startswith("postgresql://"):
        problem = "KEA_DATABASE is not usable; expected postgresql://USER:PASSWORD@HOST/DATABASE"
        raise SettingsError(problem)
    return Secret(found)


def home_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Returns the directory of everything of KEA's on this machine."""
    env = os.environ if environment is None else environment
    return _path(env.get("KEA_HOME")) or Path(platformdirs.user_data_dir("kea"))


def login_file(environment: Mapping[str, str] | None = None) -> Path:
    """Returns where `kea login` keeps tokens."""
    return home_directory(environment) / "login.json"


def config_file(environment: Mapping[str, str] | None = None) -> Path:
    """Returns where the configuration file is looked for."""
    env = os.environ if environment is None else environment
    directory = _path(env.get("KEA_HOME")) or Path(platformdirs.user_config_dir("kea"))
    return directory / "config.yaml"


def _place(data: Path | None, env: Mapping[str, str], config: Mapping[str, str]) -> Path:
    return data or _path(env.get("KEA_DATA")) or _path(config.get("data")) or home_directory(env) / "data"


def _path(text: str | None) -> Path | None:
    return Path(os.path.expanduser(text)) if text else None  # noqa: PTH111 - Path's own raises where there is no home


def _announced(data: Path) -> str:
    """Returns the URL of the platform that runs on this machine, or nothing."""
    try:
        document = json.loads((data / "platform.json").read_text("utf-8"))
        return address.checked(str(document["url"]))
    except (OSError, ValueError, KeyError, TypeError, SettingsError):
        return ""


def _usable(token: str | None, origin: str) -> Secret:
    """Returns the token, without blanks around it. It goes into a header; what cannot be one is refused unseen."""
    text = (token or "").strip()
    if not is_token(text):
        problem = f"{origin} is no token: it has blanks, line breaks or letters that no token has"
        raise SettingsError(problem)
    return Secret(text)
