"""Pages of lists (AIP-158), by key: a page begins after the last key of the one before, whatever happens in between."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from kea_core.errors import PageTokenInvalid

DEFAULT_SIZE = 50
MAX_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted."""

    size: int
    """1 to 1000."""
    after: str
    """Key of the last entry of the page before; empty for the first page."""
    only: frozenset[str] | None = None
    """Resource names of the entries that the caller may see; None: all."""


def read_page(listing: str, size: int, token: str, *, only: frozenset[str] | None = None) -> Page:
    """Returns the page that `page_size` and `page_token` ask for.

    Args:
        listing: what is listed, with all arguments that must not change between pages.
        size: 0 means 50; more than 1000 means 1000.
        token: of a page before, or empty.
        only: resource names of the entries that the caller may see; None: all.

    Raises:
        PageTokenInvalid: the token was not made for this listing.
    """
    after = ""
    if token:
        try:
            stamp, after = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, binascii.Error, TypeError) as error:
            raise PageTokenInvalid from error
        if stamp != _stamp(listing) or not isinstance(after, str):
            raise PageTokenInvalid
    return Page(size=min(size or DEFAULT_SIZE, MAX_SIZE), after=after, only=only)


def page_token(listing: str, last: str) -> str:
    """Returns the token of the page that follows the entry with key `last`."""
    return base64.urlsafe_b64encode(json.dumps([_stamp(listing), last]).encode()).decode()


def _stamp(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
