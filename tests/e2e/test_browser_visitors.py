"""The portal as a person who has logged in meets it: a real browser, through Envoy, before real models."""

from __future__ import annotations

import pytest
from kea_core.testing.browser import open_browser
from platforms import RunningPlatform

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
NAMES = "[...document.querySelectorAll('.card h2')].map(title => title.textContent)"
MARKS = "[...document.querySelectorAll('.method summary')].map(method => method.textContent)"


def call(method: str) -> str:
    """Returns a script that calls a method of grades with nothing it takes, for the status."""
    sent = "{method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'}"
    return f"fetch('/models/grades/{method}', {sent}).then(answer => answer.status)"


async def test_who_has_logged_in_sees_what_the_gateway_lets_them_call(
    iris: RunningPlatform, grades: RunningPlatform
) -> None:
    binding = {
        "member": "users/pupil",
        "role": "roles/consumer",
        "resource": "projects/default/endpoints/grades/methods/get_grades",
    }
    with grades.client() as client:
        client.post("/api/v1/users?user_id=pupil", json={"password": PASSWORD}).raise_for_status()
        client.post("/api/v1/bindings", json=binding).raise_for_status()
    async with open_browser() as page:
        await page.open(f"{iris.url}/login?return_to=/docs")
        await page.evaluate("document.querySelector('input[name=user]').value = 'pupil'")
        await page.evaluate(f"document.querySelector('input[name=password]').value = '{PASSWORD}'")
        await page.evaluate("document.querySelector('form button').click()")
        await page.wait_for("document.querySelector('form.session') && document.readyState === 'complete'")
        # A binding holds within two seconds, at the portal and at Envoy.
        await page.evaluate(f"(async () => {{ while ((await {call('get_grades')}) === 403) {{}} }})()")
        shown = "fetch('/docs').then(answer => answer.text()).then(text => text.includes('class=\"card\"'))"
        await page.evaluate(f"(async () => {{ while (!await {shown}) {{}} }})()")
        await page.open(f"{iris.url}/docs")
        assert await page.evaluate(NAMES) == ["grades"]
        await page.open(f"{iris.url}/docs?all=1")
        assert {"grades", "iris"} <= set(await page.evaluate(NAMES))
        await page.open(f"{iris.url}/models/grades/docs")
        marks = {text.split()[0]: text for text in await page.evaluate(MARKS)}
        for method, mark in marks.items():
            assert ("You may call this" in mark) == (await page.evaluate(call(method)) != 403), method
        assert sum("You may call this" in mark for mark in marks.values()) == 1
