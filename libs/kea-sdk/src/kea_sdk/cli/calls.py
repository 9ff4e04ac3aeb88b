"""`kea predict`, `kea logs` and `kea docs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kea_sdk.cli.printing import print_data, print_details, print_lines, print_text
from kea_sdk.cli.shared_options import Output, Shared, shared_options

_PANEL = "Models and endpoints"
_Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL)(predict)
    app.command(rich_help_panel=_PANEL)(logs)
    app.command(rich_help_panel=_PANEL)(docs)


@shared_options
def predict(
    shared: Shared,
    *,
    endpoint: Annotated[
        str,
        typer.Argument(
            metavar="ENDPOINT[/METHOD]", help="The endpoint, and its method if not predict.", show_default=False
        ),
    ],
    inputs: Annotated[
        str,
        typer.Option(
            "--inputs",
            "-d",
            metavar="JSON|@FILE|@-",
            help="Inputs by name, as JSON; @- reads stdin.",
            show_default=False,
        ),
    ],
    validate: Annotated[bool, typer.Option("--validate", help="Only check the inputs.")] = False,
) -> None:
    """Call a model. Prints its outputs, by name, as JSON."""
    from kea_sdk.errors import InvalidArgument

    name, _, method = endpoint.partition("/")
    values = read_inputs(inputs)
    with shared.client() as client:
        if validate:
            violations = client.validate(name, values, method or None)
            if violations:
                problem = "the inputs do not fit"
                raise InvalidArgument(problem, violations=violations)
            outputs: dict[str, Any] = {"valid": True}
        else:
            outputs = client.predict(name, values, method or None)
    if shared.output is Output.TABLE:
        print_details(outputs, {name: json.dumps(value, ensure_ascii=False) for name, value in outputs.items()}, None)
    else:
        print_data(outputs, (), shared.output or Output.JSON)


@shared_options
def logs(
    shared: Shared,
    *,
    endpoint: _Endpoint,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and print the lines to come.")] = False,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="Lines of the past.")] = 100,
) -> None:
    """Print what an endpoint's replicas wrote."""
    with shared.client() as client:
        print_lines(client.logs(endpoint, follow=follow, tail=tail), shared.output)


@shared_options
def docs(
    shared: Shared,
    *,
    endpoint: _Endpoint,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Print the address of an endpoint's documentation."""
    with shared.client() as client:
        address = client.docs_url(endpoint)
    print_text({"endpoint": endpoint, "docs_url": address}, address, shared.output)
    if open_browser:
        import webbrowser

        if not webbrowser.open(address):
            sys.stderr.write("note: no browser was found\n")


def read_inputs(text: str) -> Any:
    """Returns the JSON that was written out, or is in a file.

    Raises:
        InvalidArgument: it cannot be read, or is not JSON.
    """
    from kea_sdk.errors import InvalidArgument

    try:
        if text == "@-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).expanduser().read_text("utf-8-sig")
        return json.loads(text)
    except OSError as error:
        problem = f"{text[1:] or 'a file without a name'} cannot be read: {error.strerror}"
        raise InvalidArgument(problem) from error
    except ValueError as error:
        problem = f"the inputs are not JSON: {error}"
        raise InvalidArgument(problem) from error
