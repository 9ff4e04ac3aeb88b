"""`kea login` and `kea logout`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kea_sdk.cli.shared_options import Shared, shared_options


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel="Access")(login)
    app.command(rich_help_panel="Access")(logout)


@shared_options
def login(
    shared: Shared,
    *,
    device: Annotated[
        bool, typer.Option("--device", help="Print the address only: the browser is on another machine.")
    ] = False,
    provider: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER", help="The identity provider to log in at.", show_default=False),
    ] = None,
) -> None:
    """Log in with a browser. Commands then act as you, until the session ends or you log out."""
    from kea_sdk.login_calls import LoginCalls
    from kea_sdk.login_store import LoginStore
    from kea_sdk.settings import login_file, read_settings

    url, store = read_settings(url=shared.url, data=shared.data).url, LoginStore(login_file())
    calls = LoginCalls(url)
    code = calls.begin()
    place = code.verification_uri_complete
    if provider:
        place = f"{url}/login/{provider}?return_to=/device?user_code={code.user_code}"
    sys.stdout.write(f"Open {place}\nand say yes where it shows {code.user_code}\n")
    sys.stdout.flush()
    if not device:
        _open(place)
    tokens = calls.wait(code)
    with store.locked():
        store.put(url, tokens)
    shared.token = tokens.access_token
    with shared.client() as client:
        sys.stdout.write(f"You are {client.whoami().subject} at {url}\n")


@shared_options
def logout(shared: Shared) -> None:
    """Log out: end the session, and forget its tokens."""
    from kea_sdk.login_calls import LoginCalls
    from kea_sdk.login_store import LoginStore
    from kea_sdk.settings import login_file, read_settings

    url, store = read_settings(url=shared.url, data=shared.data).url, LoginStore(login_file())
    with store.locked():
        tokens = store.get(url)
        if tokens is None:
            sys.stdout.write(f"You are not logged in at {url}\n")
            return
        LoginCalls(url).end(tokens)
        store.put(url, None)
    sys.stdout.write(f"You are logged out at {url}\n")


def _open(place: str) -> None:
    """Opens a browser where there is one that does not take the terminal."""
    import webbrowser

    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
        webbrowser.open(place)
