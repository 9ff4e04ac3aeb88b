"""What the command's exit code says, for scripts."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of `kea`."""

    OK = 0
    FAILED = 1
    """Something went wrong that has no code of its own, such as a model that does not come up."""
    USAGE = 2
    """The command line is wrong."""
    NOT_FOUND = 3
    DENIED = 4
    """There is no token, or it is not accepted, or it does not allow this."""
    CONFLICT = 5
    """It is there already, someone else was quicker, or the state of things does not allow it."""
    INVALID = 6
    """The input is wrong."""
    UNAVAILABLE = 7
    """KEA does not answer, or not in time."""


EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 not allowed, 5 conflict, 6 invalid input, "
    "7 KEA does not answer in time. KEA_DEBUG=1 shows tracebacks."
)


def exit_code_of(error: Exception) -> ExitCode:
    """Returns the code for an error."""
    from kea_sdk import errors

    table: list[tuple[type[Exception], ExitCode]] = [
        (errors.NotFound, ExitCode.NOT_FOUND),
        (errors.Unauthenticated, ExitCode.DENIED),
        (errors.PermissionDenied, ExitCode.DENIED),
        (errors.BuildFailed, ExitCode.FAILED),
        (errors.DeploymentFailed, ExitCode.FAILED),
        (errors.AlreadyExists, ExitCode.CONFLICT),
        (errors.Aborted, ExitCode.CONFLICT),
        (errors.FailedPrecondition, ExitCode.CONFLICT),
        (errors.InvalidArgument, ExitCode.INVALID),
        (errors.ResourceExhausted, ExitCode.UNAVAILABLE),
        (errors.Unavailable, ExitCode.UNAVAILABLE),
        (errors.DeadlineExceeded, ExitCode.UNAVAILABLE),
    ]
    return next((code for kind, code in table if isinstance(error, kind)), ExitCode.FAILED)
