"""A person with a browser, without the browser: follows redirects and pages as one would, and keeps cookies."""

from __future__ import annotations

import html
import re
import ssl
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

PAGE = {"accept": "text/html"}
MAX_STEPS = 20


class Visitor:
    """One browser.

    Args:
        url: of the gateway.
        trust: whom it believes to be who they say, where that is https.
    """

    def __init__(self, url: str, trust: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.http = httpx.Client(headers=PAGE, trust_env=False, timeout=30, verify=trust or True)

    def close(self) -> None:
        self.http.close()

    def get(self, place: str, **headers: str) -> httpx.Response:
        return self.http.get(urljoin(self.url, place), headers=headers)

    def post(self, place: str, form: dict[str, str], *, origin: str | None = None) -> httpx.Response:
        """Sends a form, as a page of the same site would."""
        address = urljoin(self.url, place)
        parts = urlsplit(address)
        sent = {"origin": f"{parts.scheme}://{parts.netloc}" if origin is None else origin}
        return self.http.post(address, data=form, headers={key: value for key, value in sent.items() if value})

    def follow(self, answer: httpx.Response, *, user: str = "", until: str = "") -> httpx.Response:
        """Follows redirects and pages that lead on; logs in as `user` where a provider asks; stops at `until`."""
        for _ in range(MAX_STEPS):
            place = answer.headers.get("location") or _refresh(answer)
            if place:
                place = urljoin(str(answer.url), place)
                if until and until in place:
                    answer.extensions["place"] = place
                    return answer
                answer = (
                    self.http.request(
                        answer.request.method, place, content=answer.request.content, headers=_form(answer)
                    )
                    if answer.status_code == 307
                    else self.http.get(place)
                )
            elif "/interaction/" in str(answer.url) and user:
                answer = self.post(str(answer.url), {"user": user})
            else:
                return answer
        problem = f"it goes round, now at {answer.url}"
        raise AssertionError(problem)

    def log_in(self, provider: str, user: str, place: str = "/docs") -> httpx.Response:
        """Logs in at a provider from a page, and comes back."""
        return self.follow(self.get(f"/login/{provider}?return_to={place}"), user=user)

    def api(self, path: str, **arguments: Any) -> httpx.Response:
        """Calls the API as a script of a page does."""
        headers = {"accept": "application/json", "origin": self.url}
        return self.http.request(arguments.pop("method", "GET"), urljoin(self.url, path), headers=headers, **arguments)

    def cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self.http.cookies.jar if cookie.name == name), "")

    def forget_access(self) -> None:
        """Has the access token expire, as the browser sees it."""
        self.http.cookies.delete("__Host-kea_session" if self.url.startswith("https:") else "kea_session")


def _refresh(answer: httpx.Response) -> str:
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    return html.unescape(found[1]) if found else ""


def _form(answer: httpx.Response) -> dict[str, str]:
    kept = ("content-type", "origin")
    return {name: answer.request.headers[name] for name in kept if name in answer.request.headers}
