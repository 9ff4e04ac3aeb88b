"""Options that every command takes, before or after its name."""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, cast

import typer

from kea_sdk.cli.failures import debugging

if TYPE_CHECKING:
    from kea_sdk.client import Client

P = ParamSpec("P")


class Output(enum.StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(slots=True)
class Shared:
    """What the shared options say; None where they say nothing. Lives as the context's object."""

    output: Output | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    project: str | None = None
    data: Path | None = None

    def update(self, said: Mapping[str, Any]) -> None:
        """Takes over what is said; None says nothing."""
        for name, value in said.items():
            if value is not None:
                setattr(self, name, value)

    def place(self) -> Path:
        """Returns where this machine's platform keeps its data."""
        from kea_sdk.settings import data_directory

        return data_directory(self.data)

    def client(self) -> Client:
        """Returns a client for these options."""
        if not debugging():  # gRPC's own lines, past Python, beside the one that says what is wrong
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from kea_sdk.client import Client

        return Client(self.url, self.token, self.project, data=self.data)


_PANEL = "Options of all commands"
OPTIONS: dict[str, Any] = {
    "output": Annotated[
        Output | None,
        typer.Option(
            "--output", "-o", help="How data is printed (default: table).", rich_help_panel=_PANEL, show_default=False
        ),
    ],
    "url": Annotated[
        str | None,
        typer.Option(help="KEA's address, also KEA_URL.", rich_help_panel=_PANEL, metavar="URL"),
    ],
    "token": Annotated[
        str | None,
        typer.Option(help="The bearer token, also KEA_TOKEN.", rich_help_panel=_PANEL, metavar="TOKEN"),
    ],
    "project": Annotated[
        str | None,
        typer.Option(help="The project, also KEA_PROJECT.", rich_help_panel=_PANEL, metavar="PROJECT"),
    ],
    "data": Annotated[
        Path | None,
        typer.Option(help="Where this machine's platform keeps its data, also KEA_DATA.", rich_help_panel=_PANEL),
    ],
}


class OutputClosed(Exception):
    """Nobody reads the output any more, as of `kea … | head -1`."""


def shared_options(command: Callable[Concatenate[Shared, P], None]) -> Callable[..., None]:
    """Makes a command of a function whose first argument is what the shared options say.

    typer reads a function's signature, and wants every option in it: this saves writing them out at each. What is said
    behind the command's name wins over what was said before it.
    """
    own = inspect.signature(command, eval_str=True)
    parameters = list(own.parameters.values())[1:]
    names = {parameter.name for parameter in parameters}
    if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters):
        problem = f"{command} must take its options by keyword"
        raise TypeError(problem)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in OPTIONS.items()
        if name not in names
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def wrapped(*, context: typer.Context, **kwargs: Any) -> None:
        shared = context.ensure_object(Shared)
        shared.update({parameter.name: kwargs.pop(parameter.name) for parameter in added})
        try:
            cast("Callable[..., None]", command)(shared, **kwargs)
        except BrokenPipeError as error:  # typer would make a failure of it; whoever read the output has enough
            raise OutputClosed from error

    wrapped.__name__ = getattr(command, "__name__", "")
    wrapped.__doc__ = command.__doc__
    wrapped.__dict__["__signature__"] = own.replace(parameters=[context, *parameters, *added])  # typer reads it
    return wrapped
