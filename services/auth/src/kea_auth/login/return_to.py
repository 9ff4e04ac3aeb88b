"""Where somebody is sent back to after logging in: only ever a page of this gateway."""

from __future__ import annotations

import re
from urllib.parse import unquote

HOME = "/docs"
MAX_LENGTH = 2048
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""A path of this host: not `//host`, which names another, and no backslash, which browsers take for a slash."""
MARK = "return_to="


def safe_return(path: str) -> str:
    """Returns the path where it is one of this gateway's own pages, else the home page."""
    if len(path) > MAX_LENGTH or not _PATH.fullmatch(path):
        return HOME
    # To log in or out once more is not where anybody was; it could go round for ever.
    if re.match(r"/(login|logout|oauth)([/?]|$)", path):
        return HOME
    return path


def asked_return(query: str) -> str:
    """Returns where the query string of a login page says that somebody was.

    It is the last of its parameters, and all that follows: Envoy, which sends people here, writes paths as they came
    and cannot escape them. One that was escaped is one, too.
    """
    _, found, rest = f"&{query}".partition(f"&{MARK}")
    if not found:
        return HOME
    return safe_return(unquote(rest) if rest[:3].upper() == "%2F" else rest)
