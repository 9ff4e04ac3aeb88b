"""The portal as a person meets it: a real browser, through Envoy, before real models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kea_core.testing.browser import Page, open_browser
from platforms import RunningPlatform

pytestmark = pytest.mark.browser

DRAWN = "document.querySelector('.swagger-ui .opblock, .swagger-ui .opblock-tag-section')"
PAGES = {
    "models": ("/docs", "document.querySelectorAll('.card').length >= 2"),
    "iris": ("/models/iris/docs", DRAWN),
    "grades": ("/models/grades/docs", DRAWN),
    "api": ("/api/docs", DRAWN),
}
SHOTS = os.environ.get("PORTAL_SCREENSHOTS")
"""Directory that pictures of all pages are written to, for a person to look at."""


def check(page: Page, platform: RunningPlatform) -> None:
    assert page.complaints == []
    outside = [url for url in page.requested if not url.startswith((f"{platform.url}/", "data:", "about:"))]
    assert outside == []


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_no_complaint_and_nothing_from_outside(
    iris: RunningPlatform, grades: RunningPlatform, name: str
) -> None:
    path, ready = PAGES[name]
    async with open_browser() as page:
        await page.open(f"{iris.url}{path}", ready)
        check(page, iris)
        if SHOTS:
            await page.screenshot(Path(SHOTS) / f"real-{name}.png")


async def test_try_it_predicts(iris: RunningPlatform) -> None:
    async with open_browser() as page:
        await page.open(f"{iris.url}/models/iris/docs", DRAWN)
        await page.evaluate("document.getElementById('token').focus()")
        await page.send("Input.insertText", text=iris.token)
        await page.evaluate("document.querySelector('#token-form button[type=submit]').click()")
        await page.wait_for("document.getElementById('token-state').textContent")
        await page.evaluate("document.querySelector('[id$=\"-predict\"].opblock .opblock-summary-control').click()")
        await page.wait_for("document.querySelector('.opblock .execute')")
        await page.wait_for("document.querySelector('.opblock textarea')?.value.includes('5.1')")
        await page.evaluate("document.querySelector('.opblock .execute').click()")
        await page.wait_for("document.querySelector('.live-responses-table .response-col_status')")
        answered = await page.evaluate("document.querySelector('.live-responses-table').innerText")
        assert "200" in answered
        assert '"output"' in answered
        check(page, iris)
        if SHOTS:
            await page.screenshot(Path(SHOTS) / "real-tried.png")
