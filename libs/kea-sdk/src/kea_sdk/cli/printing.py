"""Data as tables, JSON or YAML on stdout."""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from kea_sdk.cli.shared_options import Output

if TYPE_CHECKING:
    from kea_sdk.resources import LogLine

KILO = 1000
THREE_DIGITS = 100

Row = Mapping[str, str]
"""A line of a table: text by column."""


def print_data(data: Any, rows: Sequence[Row], output: Output | None) -> None:
    """Prints data as a program reads it, or its rows as a person does."""
    match output:
        case Output.JSON:
            sys.stdout.write(json.dumps(document(data), indent=2, ensure_ascii=False) + "\n")
        case Output.YAML:
            import yaml

            sys.stdout.write(yaml.safe_dump(document(data), sort_keys=False, allow_unicode=True))
        case _:
            _print_table(rows)


def print_text(data: Any, text: str, output: Output | None) -> None:
    """Prints data as a program reads it, or a line of text for a person: what was done, an answer, an address."""
    if output in {Output.JSON, Output.YAML}:
        print_data(data, (), output)
    else:
        sys.stdout.write(f"{text}\n")


def print_details(data: Any, details: Row, output: Output | None) -> None:
    """Prints one thing: as a program reads it, or a line for each of its properties."""
    if output in {Output.JSON, Output.YAML}:
        print_data(data, (), output)
        return
    width = max(len(name) for name in details)
    for name, text in details.items():
        if text.strip():
            head, *rest = (printable(line) for line in text.splitlines())
            lines = [f"{name:<{width}}  {head}", *(f"{'':<{width}}  {line}" for line in rest)]
            sys.stdout.write("\n".join(lines) + "\n")


def print_lines(lines: Iterable[LogLine], output: Output | None) -> None:
    """Prints log lines as they come: a document for each, as they may go on for ever, or a line."""
    for line in lines:
        if output is Output.JSON:
            sys.stdout.write(json.dumps(document(line), ensure_ascii=False) + "\n")
        elif output is Output.YAML:
            sys.stdout.write("---\n")
            print_data(line, (), Output.YAML)
        else:
            time = line.time.astimezone().strftime("%H:%M:%S") if line.time else ""
            sys.stdout.write(f"{time} {line.replica or line.deployment} | {line.text}\n")
        sys.stdout.flush()


def document(value: Any) -> Any:
    """Returns a value of the client's as plain JSON values."""
    from kea_openapi.signature import Signature, to_json

    if isinstance(value, Signature):
        value = to_json(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): document(entry) for key, entry in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [document(entry) for entry in cast("Sequence[Any]", value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: document(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.value if isinstance(value, enum.Enum) else value


def age(time: datetime | None) -> str:
    """Returns how long ago something was, as people say it."""
    if time is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - time).total_seconds()))
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def size(count: int) -> str:
    """Returns a number of bytes as people say it."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < KILO:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= THREE_DIGITS else f"{amount:.1f} {unit}"
        amount /= KILO
    return f"{amount:.1f} TB"


def printable(text: str) -> str:
    """Returns text that leaves a terminal as it is: descriptions and messages are written by others."""
    return "".join(character if character.isprintable() else " " for character in text)


def _print_table(rows: Sequence[Row]) -> None:
    """Prints columns aligned by spaces: it reads well, and `cut` and `awk` can take it apart."""
    if not rows:
        sys.stderr.write("nothing found\n")
        return
    from rich.cells import cell_len

    cells_of = [{name: printable(text) for name, text in row.items()} for row in rows]
    lines = [{name: name.upper() for name in rows[0]}, *cells_of]
    widths = {name: max(cell_len(line[name]) for line in lines) for name in rows[0]}
    for line in lines:
        cells = [text + " " * (widths[name] - cell_len(text)) for name, text in line.items()]
        sys.stdout.write("   ".join(cells).rstrip() + "\n")
