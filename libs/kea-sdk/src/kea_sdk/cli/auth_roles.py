"""`kea auth roles`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.printing import age, print_data, print_details, print_text
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.access_resources import Role

app = typer.Typer(help="Look at roles, and make your own.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="ROLE", help="The role's id.", show_default=False)]
_PERMISSION = "A permission, SERVICE.RESOURCE.VERB; * stands for any one part. May be repeated."


@app.command("list")
@shared_options
def list_roles(shared: Shared) -> None:
    """List the roles."""
    with shared.client() as client:
        found = client.roles()
    rows = [
        {
            "role": entry.name,
            "built in": _built_in(entry),
            "permissions": ", ".join(entry.permissions),
            "description": entry.description,
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(shared: Shared, *, name: _Name) -> None:
    """Show a role."""
    with shared.client() as client:
        found = client.role(name)
    details = {
        "role": found.name,
        "built in": _built_in(found),
        "description": found.description,
        "permissions": "\n".join(found.permissions),
        "changed": f"{age(found.update_time)} ago" if found.update_time else "",
    }
    print_details(found, details, shared.output)


@app.command()
@shared_options
def create(
    shared: Shared,
    *,
    name: _Name,
    permission: Annotated[list[str], typer.Option(help=_PERMISSION, show_default=False)],
    description: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
) -> None:
    """Make a role. It can give what you may do yourself."""
    with shared.client() as client:
        made = client.create_role(name, permission, description=description)
    print_text(made, f"made role {made.name}", shared.output)


@app.command()
@shared_options
def update(
    shared: Shared,
    *,
    name: _Name,
    permission: Annotated[
        list[str] | None,
        typer.Option(help=f"{_PERMISSION} These replace those it has.", show_default=False),
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.", show_default=False)] = None,
) -> None:
    """Change a role, within two seconds for all who have it."""
    with shared.client() as client:
        changed = client.update_role(name, permissions=permission or None, description=description)
    print_text(changed, f"changed role {changed.name}", shared.output)


@app.command()
@shared_options
def delete(shared: Shared, *, name: _Name) -> None:
    """Delete a role that nobody has."""
    with shared.client() as client:
        client.delete_role(name)
    print_text({"role": name, "deleted": True}, f"deleted role {name}", shared.output)


def _built_in(role: Role) -> str:
    return "yes" if role.built_in else ""
