"""Lists of names in a token, as one string: Envoy puts a claim into a header, where it finds an entry as a part of it.

Each entry stands between commas, `,Teachers,a group,`. What is no printable ASCII, `,` and `%` are percent-encoded
(RFC 3986), so no entry is a part of another, and no header becomes two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

PLAIN = " !#$&'()*+/:;<=>?@[\\]^`{|}"
"""What stays as it is besides letters, digits and `_.-~`."""
LIST = re.compile(r",(?:[ -+\--~]+,)+")


def pack(names: Iterable[str]) -> str:
    """Returns names, none of them empty, as one string; of none the string is empty."""
    parts = "".join(f"{quote(name, safe=PLAIN)}," for name in names)
    return f",{parts}" if parts else ""


def unpack(text: str) -> list[str]:
    """Returns what `pack` was given.

    Raises:
        ValueError: it was given nothing that makes this string.
    """
    if text and LIST.fullmatch(text) is None:
        problem = f"expected entries between commas, as in ',a,b,'; got {text!r}"
        raise ValueError(problem)
    return [unquote(part, errors="strict") for part in text.split(",")[1:-1]]
