"""That a session goes on while its pages are looked at, and what is shown when it cannot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kea_core.testing.browser import Page
from session_site import LIFE_SECONDS, SessionSite, token

SWAGGER = "document.querySelector('.swagger-ui .opblock, .swagger-ui .opblock-tag-section')"
KNOWN = "document.querySelector('form.session:not([hidden])')"
OVER = "document.querySelector('#session-over:not([hidden])')"
EXPIRES = r"Number(document.cookie.match(/kea_session_expires=(\d+)/)[1])"
RENEWED = f"{EXPIRES} - Date.now() / 1000 > {LIFE_SECONDS - 60}"
VIEWS = [("light", 1280), ("dark", 1280), ("light", 390)]
SHOTS = os.environ.get("PORTAL_SCREENSHOTS")
"""Directory that pictures of all pages are written to, for a person to look at."""


async def give(page: Page, cookies: list[dict[str, Any]]) -> None:
    await page.send("Network.setCookies", cookies=cookies)


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(Path(SHOTS) / f"session-{name}.png")


async def test_a_page_made_without_a_session_that_goes_on_is_made_anew_with_it(
    page: Page, sessions: SessionSite
) -> None:
    await give(page, sessions.cookies(-100))
    await page.open(f"{sessions.origin}/docs?all=1", KNOWN)
    assert await page.evaluate("document.querySelector('.session span').textContent") == "ada"
    assert sessions.opened == ["/docs", "/docs"]
    assert sessions.renewals == [sessions.origin]
    assert page.complaints == []


async def test_a_page_is_made_anew_once_whatever_it_then_is(page: Page, sessions: SessionSite) -> None:
    sessions.renewed = "nonsense"
    await give(page, sessions.cookies(-100))
    await page.open(f"{sessions.origin}/docs", "sessionStorage.getItem('kea.reloaded') && window.keaSession")
    # The scripts of a third page would have run by the time that this one has been asked for.
    await page.wait_for("performance.getEntriesByType('navigation')[0].type === 'reload'")
    await page.evaluate("keaSession.fresh().then(() => fetch('/healthz')).then(() => 0)")
    assert sessions.opened == ["/docs", "/docs"]
    assert len(sessions.renewals) == 1
    assert await page.evaluate("document.querySelector('a.session').textContent") == "Log in"


@pytest.mark.parametrize("expires_in", [None, 500])
async def test_nothing_is_asked_for_before_it_is_time(
    page: Page, sessions: SessionSite, expires_in: float | None
) -> None:
    await give(page, sessions.cookies(expires_in, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    await page.evaluate("keaSession.fresh()")
    assert sessions.renewals == []


async def test_who_has_no_session_is_not_asked_for_one(page: Page, sessions: SessionSite) -> None:
    await page.open(f"{sessions.origin}/docs", "document.querySelector('a.session')")
    await page.evaluate("keaSession.fresh()")
    assert (sessions.renewals, sessions.opened) == ([], ["/docs"])


async def test_a_session_is_renewed_before_it_ends_while_its_page_is_looked_at(
    page: Page, sessions: SessionSite
) -> None:
    await give(page, sessions.cookies(62, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    assert sessions.renewals == []
    await page.wait_for(RENEWED)
    assert len(sessions.renewals) == 1
    assert sessions.opened == ["/docs"]


async def test_a_page_that_nobody_looks_at_renews_nothing_until_somebody_does(
    page: Page, sessions: SessionSite
) -> None:
    await give(page, sessions.cookies(62, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    await page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    await page.wait_for(f"{EXPIRES} - Date.now() / 1000 < 59.5")
    assert sessions.renewals == []
    await page.evaluate("delete document.visibilityState")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.wait_for(RENEWED)
    assert len(sessions.renewals) == 1


async def test_a_session_that_is_over_is_told_and_the_page_stays(page: Page, sessions: SessionSite) -> None:
    await give(page, sessions.cookies(500, kea_session=token()))
    await page.open(f"{sessions.origin}/docs?all=1", KNOWN)
    await page.evaluate("document.getElementById('query').focus()")
    await page.send("Input.insertText", text="gra")
    sessions.status = 401
    await give(page, sessions.cookies(30))
    await page.evaluate("keaSession.fresh()")
    await page.wait_for(OVER)
    assert await page.evaluate("document.querySelector('#session-over').textContent") == "Your session is over. Log in"
    link = await page.evaluate("document.querySelector('#session-over a').getAttribute('href')")
    assert link == "/login?return_to=/docs?all=1"
    assert not await page.evaluate(f"Boolean({KNOWN})")
    assert await page.evaluate("document.getElementById('query').value") == "gra"
    await shot(page, "over")
    await page.evaluate("keaSession.fresh()")
    assert len(sessions.renewals) == 1
    assert sessions.opened == ["/docs"]


async def test_a_session_that_ends_by_itself_is_told(page: Page, sessions: SessionSite) -> None:
    await give(page, sessions.cookies(500, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    await page.send("Network.deleteCookies", name="kea_session_expires", url=sessions.origin)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.wait_for(OVER)
    assert sessions.renewals == []


async def test_a_page_made_without_a_session_that_is_over_leads_to_the_login(page: Page, sessions: SessionSite) -> None:
    sessions.status = 401
    await give(page, sessions.cookies(-100))
    await page.open(f"{sessions.origin}/docs")
    await page.wait_for("performance.getEntriesByName(`${location.origin}/login/renew`).length")
    await page.evaluate("keaSession.fresh()")
    assert len(sessions.renewals) == 1
    assert sessions.opened == ["/docs"]
    assert await page.evaluate("document.querySelector('a.session').textContent") == "Log in"


async def test_a_renewal_that_fails_ends_nothing_and_is_tried_again(page: Page, sessions: SessionSite) -> None:
    sessions.status = 503
    await give(page, sessions.cookies(30, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    await page.evaluate("keaSession.fresh()")
    assert await page.evaluate(f"Boolean({KNOWN})")
    sessions.status = 200
    await page.evaluate("keaSession.fresh()")
    assert await page.evaluate(RENEWED)


async def test_what_another_tab_has_renewed_is_not_renewed_again(page: Page, sessions: SessionSite) -> None:
    await give(page, sessions.cookies(500, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    lock = "navigator.locks.request('kea.session', () => new Promise(done => { window.done = done; resolve(); }))"
    await page.evaluate(f"new Promise(resolve => {{ {lock} }})")
    await give(page, sessions.cookies(30))
    await page.evaluate("void (window.waiting = Promise.all([keaSession.fresh(), keaSession.fresh()]))")
    await give(page, sessions.cookies(LIFE_SECONDS))
    await page.evaluate("(done(), waiting.then(() => 0))")
    assert sessions.renewals == []


async def test_a_clock_that_is_wrong_renews_once(page: Page, sessions: SessionSite) -> None:
    ahead = "const real = Date.now; Date.now = () => real() + 3_600_000"
    await page.send("Page.addScriptToEvaluateOnNewDocument", source=ahead)
    await give(page, sessions.cookies(500, kea_session=token()))
    await page.open(f"{sessions.origin}/docs", KNOWN)
    for _ in range(3):
        await page.evaluate("keaSession.fresh()")
    assert len(sessions.renewals) == 1


@pytest.mark.parametrize("pasted", [None, "pasted"])
async def test_try_it_calls_with_a_session_that_was_renewed_before(
    page: Page, sessions: SessionSite, pasted: str | None
) -> None:
    sessions.renewed = token()
    await give(page, sessions.cookies(500, kea_session=token()))
    await page.open(f"{sessions.origin}/models/iris/docs", SWAGGER)
    if pasted is not None:
        await page.evaluate(f"sessionStorage.setItem('kea.token', '{pasted}')")
    await page.evaluate("document.querySelector('[id$=\"-predict\"].opblock .opblock-summary-control').click()")
    # Swagger UI fills in the example a moment after it shows the button, and refuses an empty body.
    await page.wait_for("document.querySelector('.opblock textarea')?.value.includes('5.1')")
    await page.send("Network.deleteCookies", name="kea_session", url=sessions.origin)
    await give(page, sessions.cookies(-1))
    await page.evaluate("document.querySelector('.opblock .execute').click()")
    await page.wait_for("document.querySelector('.live-responses-table .response-col_status')")
    assert sessions.calls == [f"Bearer {pasted or sessions.renewed}"]
    assert len(sessions.renewals) == (pasted is None)
    assert page.complaints == []


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
async def test_pages_for_who_has_logged_in_fit(page: Page, sessions: SessionSite, scheme: str, width: int) -> None:
    await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await page.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    await give(page, sessions.cookies(500, kea_session=token()))
    pages = {"mine": "/docs", "all": "/docs?all=1", "none": "/projects/school/docs", "iris": "/models/iris/docs"}
    for name, path in pages.items():
        await page.open(f"{sessions.origin}{path}", SWAGGER if name == "iris" else KNOWN)
        assert page.complaints == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        await shot(page, f"{name}-{scheme}-{width}")
