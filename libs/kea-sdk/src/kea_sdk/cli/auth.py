"""`kea auth`: who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.access_words import VERBS, verb_help
from kea_sdk.cli import auth_accounts, auth_keys, auth_roles, auth_users
from kea_sdk.cli.durations import until
from kea_sdk.cli.exit_codes import ExitCode
from kea_sdk.cli.printing import age, print_data, print_details, print_text, printable
from kea_sdk.cli.shared_options import Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.access_resources import Binding

app = typer.Typer(
    help="Who may do what: members have roles on resources, and programs have accounts with keys.", no_args_is_help=True
)
app.add_typer(auth_roles.app, name="roles")
app.add_typer(auth_accounts.app, name="accounts")
app.add_typer(auth_keys.app, name="keys")
app.add_typer(auth_users.app, name="users")

_RESOURCE = "platform, project (yours), models/MODEL, ENDPOINT, ENDPOINT/METHOD, or a full name."

_Member = Annotated[
    str,
    typer.Argument(metavar="MEMBER", help="user:NAME, group:NAME, account:NAME or everyone.", show_default=False),
]
_Role = Annotated[str, typer.Argument(metavar="ROLE", help="A role; see kea auth roles list.", show_default=False)]
_On = Annotated[str, typer.Option(metavar="RESOURCE", help=f"On what, and all under it: {_RESOURCE}")]


@app.command()
@shared_options
def whoami(shared: Shared) -> None:
    """Show who you are to KEA, by your token."""
    from kea_sdk.access_names import member_text

    with shared.client() as client:
        found = client.whoami()
    details = {
        "you": member_text(found.subject),
        "groups": "\n".join(found.groups),
        "limited to": ", ".join(found.scopes),
        "token": f"accepted for {until(found.expire_time)}" if until(found.expire_time) else "",
    }
    print_details(found, details, shared.output)


@app.command(
    "can-i",
    help="Tell whether you, or somebody else, may do something, and why. Exits with 0 where it is allowed, else with 1."
    "\n\nFor example: kea auth can-i call iris/get_grades --as account:ci"
    "\n\nVerbs, and what they go with; most also with all there are, as in delete models:"
    "\n\n\b\n" + "\n".join(verb_help(verb) for verb in VERBS),
)
@shared_options
def can_i(
    shared: Shared,
    *,
    verb: Annotated[
        str,
        typer.Argument(
            metavar="VERB",
            help="A verb as above, or a permission such as router.endpoints.invoke.",
            show_default=False,
        ),
    ],
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help=_RESOURCE)] = "project",
    subject: Annotated[
        str | None,
        typer.Option("--as", metavar="SUBJECT", help="Somebody else: user:NAME or account:NAME.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP", help="A group that SUBJECT is taken to be in; may be repeated.", show_default=False
        ),
    ] = None,
) -> None:
    """Tell whether you, or somebody else, may do something, and why."""
    with shared.client() as client:
        found = client.check_access(verb, resource, subject=subject, groups=group or ())
    print_text(found, f"{'yes' if found else 'no'}: {printable(found.explanation)}", shared.output)
    if not found:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
@shared_options
def bind(shared: Shared, *, member: _Member, role: _Role, on: _On = "project") -> None:
    """Give a role to a member. It holds within two seconds."""
    with shared.client() as client:
        made = client.bind(member, role, on)
        project = client.project
    print_text(made, _sentence(made, project), shared.output)


@app.command()
@shared_options
def unbind(shared: Shared, *, member: _Member, role: _Role, on: _On = "project") -> None:
    """Take a role from a member, within two seconds also from tokens that are in use."""
    with shared.client() as client:
        gone = client.unbind(member, role, on)
        project = client.project
    said = {"member": gone.member, "role": gone.role, "resource": gone.resource, "deleted": True}
    print_text(said, f"no more: {_sentence(gone, project)}", shared.output)


@app.command()
@shared_options
def bindings(
    shared: Shared,
    *,
    on: _On = "project",
    member: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="Only those of this member.", show_default=False)
    ] = None,
) -> None:
    """List who has which role on a resource and on all under it; all there are with --on platform."""
    from kea_sdk.access_names import member_text, resource_text

    with shared.client() as client:
        found = client.bindings(on, member=member)
        project = client.project
    rows = [
        {
            "member": member_text(entry.member),
            "role": entry.role,
            "on": resource_text(entry.resource, project),
            "age": age(entry.create_time),
            "by": member_text(entry.creator),
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def revoke(
    shared: Shared,
    *,
    token_id: Annotated[
        str | None,
        typer.Argument(
            metavar="TOKEN_ID",
            help="Id of a token (claim jti; uid in kea token -o json). Default: your own.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Revoke a token, and all that were made with it, within two seconds. Without TOKEN_ID: the one you call with."""
    from kea_sdk.errors import FailedPrecondition

    with shared.client() as client:
        if token_id is not None:
            client.revoke_token(token_id)
        elif client.settings.token or client.settings.token_file is None:
            client.revoke_own_token()
        else:  # nothing on this machine could be done until it is renewed
            problem = "the token is that of this machine's KEA, which all commands use; give --token, or a TOKEN_ID"
            raise FailedPrecondition(problem, reason="TOKEN_OF_PLATFORM")
    print_text({"token": token_id, "revoked": True}, f"revoked {token_id or 'your token'}", shared.output)


def _sentence(binding: Binding, project: str) -> str:
    from kea_sdk.access_names import member_text, resource_text

    return f"{member_text(binding.member)} is {binding.role} on {resource_text(binding.resource, project)}"
