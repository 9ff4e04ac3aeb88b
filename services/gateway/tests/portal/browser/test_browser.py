from __future__ import annotations

import os
from pathlib import Path

import pytest
from kea_core.testing.browser import Page
from portal_site import Site

SWAGGER = "document.querySelector('.swagger-ui .opblock, .swagger-ui .opblock-tag-section')"
PAGES = {
    "models": ("/docs", "true"),
    "search": ("/docs?q=iris", "true"),
    "empty": ("/projects/empty/docs", "true"),
    "iris": ("/models/iris/docs", SWAGGER),
    "grades": ("/models/grades/docs", SWAGGER),
    "lost": ("/models/lost/docs", "true"),
    "school": ("/projects/school/models/marks/docs", SWAGGER),
    "api": ("/api/docs", SWAGGER),
}
VIEWS = [("light", 1280), ("dark", 1280), ("light", 390)]
SHOTS = os.environ.get("PORTAL_SCREENSHOTS")
"""Directory that pictures of all pages are written to, for a person to look at."""


async def look(page: Page, scheme: str, width: int) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    await page.send("Emulation.setEmulatedMedia", features=features)
    await page.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)


def check(page: Page, site: Site) -> None:
    assert page.complaints == []
    outside = [url for url in page.requested if not url.startswith((f"{site.origin}/", "data:", "about:"))]
    assert outside == []


async def test_every_page_loads_without_a_complaint_and_nothing_from_outside(page: Page, site: Site) -> None:
    for scheme, width in VIEWS:
        await look(page, scheme, width)
        for name, (path, ready) in PAGES.items():
            await page.open(f"{site.origin}{path}", ready)
            check(page, site)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
            if SHOTS:
                await page.screenshot(Path(SHOTS) / f"{name}-{scheme}-{width}.png")


async def test_the_error_page_complains_of_nothing_but_its_status(page: Page, site: Site) -> None:
    await page.open(f"{site.origin}/models/none/docs")
    assert all("404" in complaint for complaint in page.complaints)
    assert "There is no model" in await page.evaluate("document.body.innerText")


async def test_typing_filters_the_list(page: Page, site: Site) -> None:
    await page.open(f"{site.origin}/docs")
    await page.evaluate("document.getElementById('query').focus()")
    await page.send("Input.insertText", text="grades")
    await page.wait_for("document.getElementById('count').textContent === '1 of 3'")
    assert await page.evaluate("document.querySelectorAll('.card:not([hidden])').length") == 1
    check(page, site)


async def test_samples_are_tabs(page: Page, site: Site) -> None:
    await page.open(f"{site.origin}/models/iris/docs")
    await page.wait_for("document.querySelectorAll('[role=tab]').length === 3")
    await page.evaluate("document.querySelectorAll('[role=tab]')[2].click()")
    shown = await page.evaluate("document.querySelector('.sample:not([hidden]) code').textContent")
    assert "tritonclient" in shown
    check(page, site)


@pytest.mark.parametrize("token", ["secret-token", None])
async def test_try_it_calls_the_model_with_the_pasted_token(page: Page, site: Site, token: str | None) -> None:
    await look(page, "light", 1280)
    await page.open(f"{site.origin}/models/iris/docs", SWAGGER)
    if token is not None:
        await page.evaluate("document.getElementById('token').focus()")
        await page.send("Input.insertText", text=f"Bearer {token}")
        await page.evaluate("document.querySelector('#token-form button[type=submit]').click()")
        await page.wait_for("document.getElementById('token-state').textContent")
    await page.evaluate("document.querySelector('[id$=\"-predict\"].opblock .opblock-summary-control').click()")
    await page.wait_for("document.querySelector('.opblock .execute')")
    # Swagger UI fills in the example a moment after it shows the button, and refuses an empty body.
    await page.wait_for("document.querySelector('.opblock textarea')?.value.includes('5.1')")
    await page.evaluate("document.querySelector('.opblock .execute').click()")
    await page.wait_for("document.querySelector('.live-responses-table .response-col_status')")
    assert "setosa" in await page.evaluate("document.querySelector('.live-responses-table').innerText")
    if SHOTS:
        await page.screenshot(Path(SHOTS) / f"tried-{token}.png")
    header = None if token is None else f"Bearer {token}"
    assert site.calls == [(header, {"x": [[5.1, 3.5, 1.4, 0.2]]})]
    assert await page.evaluate("Object.keys(localStorage).length") == 0
    assert await page.evaluate("document.cookie") == ""
    check(page, site)
