"""Resource names (AIP-122)."""

from __future__ import annotations


def parse_name(name: str, *collections: str) -> tuple[str, ...]:
    """Returns the ids of a name that the validation interceptor has let through.

    `parse_name("projects/p/models/m", "projects", "models")` is `("p", "m")`.

    Raises:
        ValueError: the name is not of these collections.
    """
    parts = name.split("/")
    if len(parts) != 2 * len(collections) or tuple(parts[::2]) != collections or not all(parts[1::2]):
        problem = f"{name!r} is not a name of the form {'/'.join(f'{c}/…' for c in collections)}"
        raise ValueError(problem)
    return tuple(parts[1::2])
