"""`kea auth users`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.printing import age, print_data, print_details, print_text
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.access_resources import User

app = typer.Typer(help="Look at people, and make those who log in with a password.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="USER", help="The user's id.", show_default=False)]
_Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="A group; may be given several times.", show_default=False),
]


@app.command("list")
@shared_options
def list_users(shared: Shared) -> None:
    """List the users; those of an identity provider once they have logged in."""
    with shared.client() as client:
        found = client.users()
    rows = [
        {
            "user": entry.name,
            "state": _state(entry),
            "from": entry.issuer or "password",
            "groups": ", ".join(entry.groups),
            "age": age(entry.create_time),
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(shared: Shared, *, name: _Name) -> None:
    """Show a user."""
    with shared.client() as client:
        found = client.user(name)
    details = {
        "user": found.name,
        "member": f"user:{found.name}",
        "state": _state(found),
        "from": found.issuer or "password",
        "email": found.email,
        "groups": "\n".join(found.groups),
        "age": age(found.create_time),
    }
    print_details(found, details, shared.output)


@app.command()
@shared_options
def create(
    shared: Shared,
    *,
    name: _Name,
    group: _Groups = None,
    email: Annotated[str, typer.Option(help="For people to read.", show_default=False)] = "",
) -> None:
    """Make a user who logs in with a password, which is asked for, or read from standard input."""
    password = _password()
    with shared.client() as client:
        made = client.create_user(name, password=password, email=email, groups=group or ())
    print_text(made, f"made user {made.name}", shared.output)


@app.command()
@shared_options
def password(shared: Shared, *, name: _Name) -> None:
    """Give a user another password, which is asked for, or read from standard input. The user's sessions end."""
    text = _password()
    with shared.client() as client:
        changed = client.update_user(name, password=text)
    print_text(changed, f"changed the password of user {changed.name}", shared.output)


@app.command()
@shared_options
def groups(shared: Shared, *, name: _Name, group: _Groups = None) -> None:
    """Say which groups a user is in, and no others. Without --group: none."""
    with shared.client() as client:
        changed = client.update_user(name, groups=group or ())
    print_text(changed, f"user {changed.name} is in {', '.join(changed.groups) or 'no group'}", shared.output)


@app.command()
@shared_options
def disable(shared: Shared, *, name: _Name) -> None:
    """Have a user's logins and all tokens refused, within two seconds."""
    with shared.client() as client:
        changed = client.update_user(name, disabled=True)
    print_text(changed, f"disabled user {changed.name}", shared.output)


@app.command()
@shared_options
def enable(shared: Shared, *, name: _Name) -> None:
    """Let a user log in again."""
    with shared.client() as client:
        changed = client.update_user(name, disabled=False)
    print_text(changed, f"enabled user {changed.name}", shared.output)


@app.command()
@shared_options
def delete(shared: Shared, *, name: _Name) -> None:
    """Delete a user, with sessions and what was bound to the user."""
    with shared.client() as client:
        client.delete_user(name)
    print_text({"user": name, "deleted": True}, f"deleted user {name}", shared.output)


def _password() -> str:
    """Returns what is typed twice alike, or the first line of a standard input that is no terminal.

    Never an argument: those are in the list of processes, for all to see.
    """
    if sys.stdin.isatty():
        return str(typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _state(user: User) -> str:
    return "disabled" if user.disabled else "enabled"
