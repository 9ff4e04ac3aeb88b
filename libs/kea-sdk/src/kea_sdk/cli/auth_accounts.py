"""`kea auth accounts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.failures import say
from kea_sdk.cli.printing import age, print_data, print_details, print_text
from kea_sdk.cli.shared_options import Output, Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.access_resources import ServiceAccount

app = typer.Typer(help="Look at accounts of programs, and make them.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.", show_default=False)]


@app.command("list")
@shared_options
def list_accounts(shared: Shared) -> None:
    """List the accounts."""
    with shared.client() as client:
        found = client.service_accounts()
    rows = [
        {
            "account": entry.name,
            "state": _state(entry),
            "age": age(entry.create_time),
            "description": entry.description,
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(shared: Shared, *, name: _Name) -> None:
    """Show an account."""
    with shared.client() as client:
        found = client.service_account(name)
    details = {
        "account": found.name,
        "member": f"account:{found.name}",
        "state": _state(found),
        "description": found.description,
        "age": age(found.create_time),
    }
    print_details(found, details, shared.output)


@app.command()
@shared_options
def create(
    shared: Shared,
    *,
    name: _Name,
    description: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
) -> None:
    """Make an account. It may do nothing until kea auth bind gives it a role."""
    with shared.client() as client:
        made = client.create_service_account(name, description=description)
    print_text(made, f"made account {made.name}", shared.output)
    if shared.output not in {Output.JSON, Output.YAML}:
        say(f"note: it may do nothing yet; to give it a role: kea auth bind account:{made.name} ROLE --on RESOURCE")


@app.command()
@shared_options
def disable(shared: Shared, *, name: _Name) -> None:
    """Have all keys and tokens of an account refused, within two seconds."""
    with shared.client() as client:
        changed = client.update_service_account(name, disabled=True)
    print_text(changed, f"disabled account {changed.name}", shared.output)


@app.command()
@shared_options
def enable(shared: Shared, *, name: _Name) -> None:
    """Have the keys and tokens of an account accepted again, but those that are revoked."""
    with shared.client() as client:
        changed = client.update_service_account(name, disabled=False)
    print_text(changed, f"enabled account {changed.name}", shared.output)


@app.command()
@shared_options
def delete(shared: Shared, *, name: _Name) -> None:
    """Delete an account, with its keys and what was bound to it."""
    with shared.client() as client:
        client.delete_service_account(name)
    print_text({"account": name, "deleted": True}, f"deleted account {name}", shared.output)


def _state(account: ServiceAccount) -> str:
    return "disabled" if account.disabled else "enabled"
