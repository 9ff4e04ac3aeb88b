"""HTTP calls to models."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from kea_sdk.http_error_mapping import from_response, from_transport


class HttpConnection:
    """The connections to one gateway. May be shared by threads.

    Args:
        url: the gateway's address.
        trust_env: whether the environment's proxies are used.
    """

    def __init__(self, url: str, *, trust_env: bool) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, trust_env=trust_env)

    def close(self) -> None:
        """Closes them."""
        self._client.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> httpx.Response:
        """Posts JSON.

        Raises:
            KeaClientError: there was no answer, or one that tells of an error.
        """
        headers = {**headers, "content-type": "application/json"}
        try:
            response = self._client.post(path, content=body, headers=headers, timeout=timeout)
        except httpx.RequestError as error:
            raise from_transport(error, self._url) from error
        if response.is_error:
            raise from_response(response)
        return response
