"""Requirements of a model: PEP 508, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from kea_core.errors import FieldViolation
from packaging.requirements import InvalidRequirement, Requirement

from kea_registry.domain.errors import RequirementsInvalid

MAX_VIOLATIONS = 20
"""How many lines one answer names."""


def check_requirements(lines: Sequence[str]) -> tuple[str, ...]:
    """Returns the lines, without spaces around them.

    Raises:
        RequirementsInvalid: naming each line that is not a requirement, at most `MAX_VIOLATIONS`.
    """
    found = [(index, _problem(line.strip())) for index, line in enumerate(lines)]
    violations = [
        FieldViolation(f"header.model_version.requirements[{index}]", problem) for index, problem in found if problem
    ]
    if violations:
        raise RequirementsInvalid(violations[:MAX_VIOLATIONS])
    return tuple(line.strip() for line in lines)


def _problem(line: str) -> str:
    if not line:
        return "is empty; expected a requirement (PEP 508)"
    if line.startswith("-"):
        return f"is the option {line[:100]!r}; expected a requirement (PEP 508)"
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        return f"is {line[:100]!r}; expected a requirement (PEP 508): {str(error).splitlines()[0]}"
    if requirement.url is not None and not requirement.url.startswith(("https://", "http://", "git+https://")):
        # Any other would be read from the disk of the machine that serves the model.
        return f"names {requirement.url[:100]!r}; expected an https address"
    return ""
