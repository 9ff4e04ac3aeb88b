"""Logging in as a person does: a real browser, a real Envoy, a real OpenID provider."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from kea_core.testing.browser import Page, open_browser
from login_site import Site

PASSWORD = "correct horse battery"

SHOTS = os.environ.get("PORTAL_SCREENSHOTS")
"""Directory that pictures are written to, for a person to look at."""


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(Path(SHOTS) / f"login-{name}.png")


async def at(page: Page, place: str) -> None:
    await page.wait_for(f"location.href.startsWith({json.dumps(place)}) && document.readyState === 'complete'")


async def at_provider(page: Page, site: Site, user: str) -> None:
    """Fills in the provider's form."""
    await at(page, f"{site.corp.issuer}/interaction/")
    await page.evaluate(f"document.getElementById('user').value = {json.dumps(user)}")
    await page.evaluate("document.getElementById('go').click()")


async def log_in(page: Page, site: Site, user: str, password: str = PASSWORD) -> None:
    """Fills in the form of a page with ways to log in, and waits for what a good password leads to."""
    await at(page, f"{site.url}/login")
    await page.wait_for("!!document.querySelector('input[name=user]')")
    await page.evaluate(f"document.querySelector('input[name=user]').value = {json.dumps(user)}")
    await page.evaluate(f"document.querySelector('input[name=password]').value = {json.dumps(password)}")
    await page.evaluate("document.querySelector('form button').click()")
    if password == PASSWORD:
        await at(page, f"{site.url}/docs")


async def test_from_a_page_to_the_provider_and_back_and_out(site: Site) -> None:
    async with open_browser() as page:
        await page.open(f"{site.url}/docs?q=some")
        await page.evaluate("document.querySelector('a.session').click()")
        await at(page, f"{site.url}/login?return_to=/docs?q=some")
        await shot(page, "ways")
        await page.evaluate("document.getElementById('with-corp').click()")
        await at_provider(page, site, "ada")
        await at(page, f"{site.url}/docs?q=some")
        assert await page.evaluate("document.querySelector('.session span').textContent") == "ada"
        await shot(page, "in")
        # No script can read what the session is made of, but only until when it needs no renewal.
        assert re.fullmatch(r"kea_session_expires=\d+", await page.evaluate("document.cookie"))
        assert await page.evaluate("fetch('/api/v1/roles').then(answer => answer.status)") == 200
        body = "{method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'}"
        assert await page.evaluate(f"fetch('/api/v1/tokens', {body}).then(answer => answer.status)") == 200
        await page.evaluate("document.querySelector('.session button').click()")
        await at(page, f"{site.corp.issuer}/session/end")
        await page.evaluate("document.querySelector('button[name=logout]').click()")
        await at(page, f"{site.url}/login")
        await page.open(f"{site.url}/docs")
        assert await page.evaluate("document.querySelector('a.session').textContent") == "Log in"
        assert await page.evaluate("fetch('/api/v1/roles').then(answer => answer.status)") == 401
        assert await page.evaluate("document.cookie") == ""
        assert not [problem for problem in page.complaints if "401" not in problem and "favicon" not in problem]


async def test_a_script_renews_what_has_expired_while_the_session_lives(site: Site) -> None:
    renewal = "fetch('/login/renew', {method: 'POST'}).then(async answer => [answer.status, await answer.json()])"
    site.make_user("renewer", PASSWORD)
    async with open_browser() as page:
        await page.open(f"{site.url}/docs")
        status, problem = await page.evaluate(renewal)
        assert (status, problem["reason"]) == (401, "SESSION_ENDED")
        await page.send("Page.navigate", url=f"{site.url}/login?return_to=/docs")
        await log_in(page, site, "renewer")
        await page.send("Network.deleteCookies", name="kea_session", url=site.url)
        assert await page.evaluate("fetch('/api/v1/roles').then(answer => answer.status)") == 401
        status, told = await page.evaluate(renewal)
        assert (status, told["subject"]) == (200, "users/renewer")
        assert 590 <= told["expires_in"] <= 600
        assert await page.evaluate("fetch('/api/v1/roles').then(answer => answer.status)") == 200


async def test_a_login_and_a_logout_are_in_the_audit_log(site: Site) -> None:
    site.make_user("audited", PASSWORD)
    async with open_browser() as page:
        await page.send("Page.navigate", url=f"{site.url}/login?return_to=/docs")
        await log_in(page, site, "audited", "a wrong password")
        await page.wait_for("document.body?.innerText.includes('is not right')")
        await log_in(page, site, "audited")
        await page.evaluate("document.querySelector('.session button').click()")
        await page.wait_for("document.body?.innerText.includes('You are logged out')")
        # And at an identity provider.
        await page.send("Page.navigate", url=f"{site.url}/login/corp?return_to=/docs")
        await at_provider(page, site, "ada")
        await at(page, f"{site.url}/docs")
    local = site.audited(4, "--subject", "users/audited")
    denied, begun, *ended = [(event["action"], event["decision"], event["rule"], event["outcome"]) for event in local]
    assert denied == ("auth.sessions.create", "DENIED", "password: wrong", "UNAUTHENTICATED")
    assert begun == ("auth.sessions.create", "ALLOWED", "password", "OK")
    assert ("auth.sessions.delete", "ALLOWED", "refresh token", "DELETED") in ended
    assert {event["source_address"] for event in local} == {"127.0.0.1"}
    assert all(event["request_id"] for event in local)
    corp = site.audited(1, "--subject", "users/ada", "--action", "auth.sessions.create")
    assert "provider corp" in {event["rule"] for event in corp}


async def test_a_page_that_needs_a_session_leads_to_the_login_and_back(site: Site) -> None:
    place = f"{site.url}/api/v1/roles?page_size=1"
    async with open_browser() as page:
        await page.send("Page.navigate", url=place)
        await at(page, f"{site.url}/login?return_to=/api/v1/roles?page_size=1")
        site.make_user("browser", "correct horse battery")
        await page.evaluate("document.querySelector('input[name=user]').value = 'browser'")
        await page.evaluate("document.querySelector('input[name=password]').value = 'correct horse battery'")
        await page.evaluate("document.querySelector('form button').click()")
        await at(page, place)
        assert "roles/" in await page.evaluate("document.body.innerText")


async def test_a_device_is_let_in_by_a_click(site: Site) -> None:
    import httpx

    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as device, open_browser() as page:
        begun = (await device.post("/oauth/device_authorization", data={"client_id": "kea-cli"})).json()
        await page.send("Page.navigate", url=begun["verification_uri_complete"])
        await at(page, f"{site.url}/login?return_to=/device")
        await page.evaluate("document.getElementById('with-corp').click()")
        await at_provider(page, site, "grace")
        await at(page, begun["verification_uri_complete"])
        await shot(page, "device")
        await page.evaluate("document.getElementById('yes').click()")
        await page.wait_for("document.body?.innerText.includes('The device is logged in')")
        form = {"client_id": "kea-cli", "device_code": begun["device_code"]}
        form["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code"
        assert (await device.post("/oauth/token", data=form)).json()["token_type"] == "Bearer"
        assert [problem for problem in page.complaints if "favicon" not in problem] == []
