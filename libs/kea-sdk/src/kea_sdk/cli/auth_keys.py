"""`kea auth keys`."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from kea_sdk.cli.durations import duration, until
from kea_sdk.cli.failures import say
from kea_sdk.cli.printing import age, print_data, print_text
from kea_sdk.cli.shared_options import Output, Shared, shared_options

app = typer.Typer(help="Make keys of accounts, and revoke them.", no_args_is_help=True)

_Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.", show_default=False)]


@app.command()
@shared_options
def create(
    shared: Shared,
    *,
    account: _Account,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="A role that it is limited to; may be repeated. Default: it may do what the account may.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", help="How long it is accepted: 1m to 400d.")
    ] = "90d",  # pyright: ignore[reportArgumentType] - typer parses defaults too
    description: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
) -> None:
    """Make a key and print it, and nothing else: KEY=$(kea auth keys create ci). It is shown never again."""
    with shared.client() as client:
        made = client.create_api_key(account, scopes=scope or (), ttl=expires, description=description)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(made, (), shared.output)
        return
    sys.stdout.write(f"{made.token}\n")
    sys.stdout.flush()
    say(
        f"note: key {made.name} of account {made.account} is shown only now; to revoke it: "
        f"kea auth keys revoke {made.account} {made.name}"
    )


@app.command("list")
@shared_options
def list_keys(shared: Shared, *, account: _Account) -> None:
    """List an account's keys, newest first, without the keys themselves."""
    with shared.client() as client:
        found = client.api_keys(account)
    rows = [
        {
            "key": entry.name,
            "state": entry.state,
            "limited to": ", ".join(entry.scopes),
            "age": age(entry.create_time),
            "expires in": until(entry.expire_time) if entry.state == "ACTIVE" else "",
            "description": entry.description,
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def revoke(
    shared: Shared,
    *,
    account: _Account,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, not the key itself.", show_default=False)],
) -> None:
    """Revoke a key for good, and all tokens made with it, within two seconds."""
    with shared.client() as client:
        gone = client.revoke_api_key(account, key)
    print_text(gone, f"revoked key {gone.name} of account {gone.account}", shared.output)
