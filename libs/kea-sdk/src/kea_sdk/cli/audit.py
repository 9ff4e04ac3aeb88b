"""`kea audit`: who did what, and what was decided."""

from __future__ import annotations

import enum
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from kea_sdk.cli.durations import duration
from kea_sdk.cli.exit_codes import ExitCode
from kea_sdk.cli.printing import print_data, size
from kea_sdk.cli.shared_options import Output, Shared, shared_options

if TYPE_CHECKING:
    from kea_sdk.audit_calls import AuditFilter
    from kea_sdk.audit_resources import AuditEvent, AuditReport

app = typer.Typer(
    help="Who did what: every change, and every decision on a call of a model. Times: 1h ago as 1h, or as 2026-11-28, "
    "2026-11-28T09:30.",
    no_args_is_help=True,
)


class Decision(enum.StrEnum):
    """What was decided."""

    ALLOWED = "allowed"
    DENIED = "denied"
    LIMITED = "limited"
    NONE = "none"


class Format(enum.StrEnum):
    """How events are written."""

    JSON = "json"
    OTLP = "otlp"


def moment(text: str) -> datetime:
    """Reads `1h` as an hour ago, and a date or a time as it is here.

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return datetime.now(UTC) - duration(text)


_Since = Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Not before.", show_default=False)]
_Until = Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Before.", show_default=False)]
_Subject = Annotated[str, typer.Option(metavar="SUBJECT", help="Who: user:NAME or account:NAME.", show_default=False)]
_Resource = Annotated[
    str,
    typer.Option(
        metavar="RESOURCE",
        help="On what, and all under it: models/MODEL, ENDPOINT, ENDPOINT/METHOD, or a full name.",
        show_default=False,
    ),
]
_Action = Annotated[
    str, typer.Option(metavar="ACTION", help="What, as registry.models or auth.roles.create.", show_default=False)
]
_Decision = Annotated[Decision | None, typer.Option(help="What was decided.", show_default=False)]
_Request = Annotated[str, typer.Option("--request-id", metavar="ID", help="The request.", show_default=False)]
_Address = Annotated[
    str, typer.Option(metavar="ADDRESS", help="From where; also a network, as 10.1.0.0/16.", show_default=False)
]
_Source = Annotated[str, typer.Option(metavar="PART", help="Which part of KEA tells, as gateway.", show_default=False)]
_Token = Annotated[str, typer.Option("--token-id", metavar="ID", help="With which token.", show_default=False)]


@app.command()
@shared_options
def search(
    shared: Shared,
    *,
    since: _Since = None,
    until: _Until = None,
    subject: _Subject = "",
    resource: _Resource = "",
    action: _Action = "",
    decision: _Decision = None,
    request: _Request = "",
    address: _Address = "",
    source: _Source = "",
    token_id: _Token = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most events.")] = 50,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Begin with the oldest.")] = False,
) -> None:
    """Find events, those that came last first."""
    with shared.client() as client:
        project = client.project
        wanted = _wanted(project, since, until, subject, resource, action, decision, request, address, source, token_id)
        found = list(islice(client.audit_events(wanted, oldest_first=oldest_first), limit))
    print_data(found, [_row(event, project) for event in found], shared.output)


@app.command()
@shared_options
def export(
    shared: Shared,
    *,
    since: _Since = None,
    until: _Until = None,
    subject: _Subject = "",
    resource: _Resource = "",
    action: _Action = "",
    decision: _Decision = None,
    request: _Request = "",
    address: _Address = "",
    source: _Source = "",
    token_id: _Token = "",
    format_: Annotated[
        Format, typer.Option("--format", help="A line of JSON for each event, or OTLP as collectors read it.")
    ] = Format.JSON,
) -> None:
    """Write events to the standard output, the oldest first."""
    with shared.client() as client:
        project = client.project
        wanted = _wanted(project, since, until, subject, resource, action, decision, request, address, source, token_id)
        for lines in client.export_audit_events(wanted, otlp=format_ is Format.OTLP):
            sys.stdout.write(lines.decode())
        sys.stdout.flush()


@app.command()
@shared_options
def verify(
    shared: Shared,
    *,
    known_hash: Annotated[
        str,
        typer.Option(metavar="HASH", help="One that it printed before.", show_default=False),
    ] = "",
) -> None:
    """Check that nothing in the log was changed, added or taken out. Exits with 1 where something was."""
    with shared.client() as client:
        report = client.verify_audit_log(known_hash)
    if shared.output in {Output.JSON, Output.YAML}:
        print_data(report, (), shared.output)
    else:
        _print_report(report)
    if not report:
        raise typer.Exit(ExitCode.FAILED)


def _wanted(
    project: str,
    since: datetime | None,
    until: datetime | None,
    subject: str,
    resource: str,
    action: str,
    decision: Decision | None,
    request: str,
    address: str,
    source: str,
    token_id: str,
) -> AuditFilter:
    from kea_sdk import access_names
    from kea_sdk.access_names import Resource
    from kea_sdk.audit_calls import AuditFilter

    return AuditFilter(
        since=since,
        until=until,
        subject=access_names.subject(subject) if subject else "",
        resource=resource if resource.startswith("/") or not resource else Resource.parse(resource, project).name,
        action=action,
        decision=decision.value if decision else "",
        request_id=request,
        address=address,
        source=source,
        token_id=token_id,
    )


def _row(event: AuditEvent, project: str) -> dict[str, str]:
    from kea_sdk.access_names import resource_text

    return {
        "time": event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if event.time else "",
        "subject": event.subject or "-",
        "action": event.action,
        "resource": resource_text(event.resource, project),
        "decision": event.decision.lower(),
        "rule": event.rule or "-",
        "outcome": event.outcome,
        "from": event.source_address,
    }


def _print_report(report: AuditReport) -> None:
    chains = sorted({segment.chain for segment in report.segments})
    for chain in chains:
        segments = [segment for segment in report.segments if segment.chain == chain]
        times = [segment.first_time for segment in segments if segment.first_time]
        since = f" since {min(times).astimezone():%Y-%m-%d %H:%M:%S}" if times else ""
        events, whole = sum(segment.events for segment in segments), sum(segment.bytes for segment in segments)
        sys.stdout.write(f"chain {chain}: {events} events{since} in {len(segments)} segments, {size(whole)}\n")
        for segment in segments:
            if segment.problem:
                at = f"segment {segment.number}, byte {segment.problem_offset}"
                sys.stdout.write(f"chain {chain}: BROKEN at {at}: {segment.problem}\n")
        sys.stdout.write(f"chain {chain}: ends with {segments[-1].hash}\n")
    if report.known_hash_found is False:
        sys.stdout.write("the known hash is not there: the log was cut off or written anew, or it is too old\n")
    sys.stdout.write("intact\n" if report else "NOT INTACT\n")
