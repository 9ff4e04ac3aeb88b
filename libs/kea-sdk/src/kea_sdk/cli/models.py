"""`kea models`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from kea_openapi.signature import MAX_BATCH_ROWS

from kea_sdk.cli.printing import age, print_data, print_details, print_text, size
from kea_sdk.cli.progress import upload_progress
from kea_sdk.cli.shared_options import Output, Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.resources import ModelVersion

app = typer.Typer(help="Push models, and look at their versions.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.", show_default=False)]


@app.command()
@shared_options
def push(
    shared: Shared,
    *,
    name: _Name,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="An .onnx, .joblib, .pkl, .skops or .py file (FILE.py:CLASS), or a directory. "
            "A saved estimator is loaded here to find its signature: push no pickle that is not yours.",
            show_default=False,
        ),
    ],
    example: Annotated[
        Path | None,
        typer.Option(
            help="Inputs of a call that works, as .json, .csv or .npy: types come from it, and the docs show it."
        ),
    ] = None,
    requirements: Annotated[
        Path | None, typer.Option(help="A requirements file. Default: the versions installed here.", show_default=False)
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="The class to serve, in a Python file or FILE.py:CLASS in a directory."),
    ] = None,
    description: Annotated[str, typer.Option(help="What this version is about, in Markdown.", show_default=False)] = "",
    framework: Annotated[
        str | None, typer.Option(help="What it must turn out to be: sklearn, onnx or python.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="The method for callers that name none.", show_default=False)
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(help="What it takes and gives, as JSON. Default: derived.", show_default=False)
    ] = None,
    max_batch_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_BATCH_ROWS,
            help="Most rows of one call of the model that answers several callers; 1: none does. "
            "Default: 64 where scikit-learn promises rows that do not depend on each other, else 1.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="The number it must get. Default: the next.", show_default=False)
    ] = None,
) -> None:
    """Push a model: makes a new version of it, and the model where it is new."""
    from kea_sdk.example_files import read_example, read_signature

    with shared.client() as client, upload_progress(name) as progress:
        made = client.push(
            name,
            path,
            example=read_example(example) if example else None,
            requirements=requirements,
            description=description,
            framework=framework,
            method=method,
            class_name=class_name,
            version=version,
            signature=read_signature(signature) if signature else None,
            max_batch_rows=max_batch_rows,
            progress=progress,
        )
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(made, (), shared.output)
        return
    sys.stdout.write(f"pushed {made} ({size(made.size_bytes)}, {_methods(made)})\n")
    for line in made.signature.incomplete if made.signature else ():
        sys.stderr.write(f"note: {line}\n")


@app.command("list")
@shared_options
def list_models(shared: Shared) -> None:
    """List the models."""
    with shared.client() as client:
        found = client.models()
    rows = [
        {
            "model": entry.name,
            "latest": str(entry.latest_version or ""),
            "aliases": ", ".join(f"{alias}={number}" for alias, number in entry.aliases.items()),
            "changed": age(entry.update_time),
        }
        for entry in found
    ]
    print_data(found, rows, shared.output)


@app.command()
@shared_options
def get(
    shared: Shared,
    *,
    name: Annotated[
        str, typer.Argument(metavar="NAME[:N|@ALIAS]", help="A model, or one of its versions.", show_default=False)
    ],
) -> None:
    """Show a model and its versions, or one version with its signature."""
    with shared.client() as client:
        if ":" in name or "@" in name:
            _print_version(client.version(name), shared.output)
            return
        model, versions = client.model(name), client.versions(name)
    aliases: dict[int, list[str]] = {}
    for alias_name, number in model.aliases.items():
        aliases.setdefault(number, []).append(alias_name)
    rows = [
        {
            "version": str(entry.number),
            "aliases": ", ".join(aliases.get(entry.number, ())),
            "framework": entry.framework,
            "methods": _methods(entry),
            "size": size(entry.size_bytes),
            "age": age(entry.create_time),
            "by": entry.creator,
            "description": entry.description.partition("\n")[0],
        }
        for entry in versions
    ]
    print_data({"model": model, "versions": versions}, rows, shared.output)


@app.command()
@shared_options
def alias(
    shared: Shared,
    *,
    name: _Name,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="The alias, for example champion.", show_default=False)],
    version: Annotated[int, typer.Argument(min=1, metavar="VERSION", help="The version's number.", show_default=False)],
) -> None:
    """Point an alias at a version."""
    with shared.client() as client:
        made = client.alias(name, alias, version)
    print_text(made, f"{name}@{alias} is {name}:{version}", shared.output)


@app.command()
@shared_options
def delete(
    shared: Shared,
    *,
    name: _Name,
    force: Annotated[bool, typer.Option("--force", help="Delete its versions too.")] = False,
) -> None:
    """Delete a model."""
    with shared.client() as client:
        client.delete_model(name, force=force)
    print_text({"model": name, "deleted": True}, f"deleted {name}", shared.output)


def _methods(version: ModelVersion) -> str:
    if version.signature is None:
        return "no signature"
    return ", ".join(method.name for method in version.signature.methods)


def _print_version(version: ModelVersion, output: Output | None) -> None:
    details = {
        "version": str(version),
        "framework": version.framework,
        "entrypoint": version.entrypoint,
        "methods": "\n".join(_signatures(version)),
        "requirements": "\n".join(version.requirements),
        "description": version.description,
        "size": size(version.size_bytes),
        "sha256": version.sha256,
        "pushed": f"{age(version.create_time)} ago by {version.creator}",
    }
    print_details(version, details, output)


def _signatures(version: ModelVersion) -> list[str]:
    """Returns a line for each method, as one would write it in Python."""
    if version.signature is None:
        return []
    from kea_sdk.signature_text import method_text

    return [method_text(method) for method in version.signature.methods]
