"""What something is for, in a few words."""

from __future__ import annotations

from kea_core.errors import FieldOutOfBounds, FieldViolation


def checked(where: str, text: str) -> str:
    """Returns a text that every database can keep.

    Raises:
        FieldOutOfBounds: it has a NUL character.
    """
    if "\0" in text:
        raise FieldOutOfBounds([FieldViolation(where, "has a NUL character; expected none")])
    return text
