"""Lists that come page by page."""

from __future__ import annotations

from typing import Any

from kea_sdk.gateway import Gateway

PAGE = 1000


def every(gateway: Gateway, method: Any, request: Any, field: str) -> list[Any]:
    """Returns what all pages of a list have in a field.

    Args:
        gateway: what is called.
        method: of a stub.
        request: for the first page, without its size.
        field: of the response.
    """
    found: list[Any] = []
    request.page_size = PAGE
    while True:
        page = gateway.call(method, request, repeatable=True)
        found += getattr(page, field)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token
