"""A headless Chromium, spoken to by the DevTools protocol; it notes whatever a page complains of or asks for."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)
_START_SECONDS = 30.0
_WAIT_SECONDS = 20.0


class Page:
    """One tab."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        """Errors and warnings of the console, exceptions, and requests that failed or were answered 4xx or 5xx."""
        self.requested: list[str] = []

    async def listen(self) -> None:
        """Reads what the browser says, until it ends."""
        async for text in self._socket:
            message: dict[str, Any] = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            else:
                self._note(message["method"], message["params"])

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of the protocol."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        answer = await asyncio.wait_for(self._answers[number], _WAIT_SECONDS)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Returns the value of JavaScript."""
        answer = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def wait_for(self, expression: str) -> None:
        """Waits until JavaScript is true."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while not await self.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 - pages tell of nothing by themselves
                await asyncio.sleep(0.05)

    async def open(self, url: str, ready: str = "document.readyState === 'complete'") -> None:
        """Opens an address and waits until the page is ready."""
        await self.send("Page.navigate", url=url)
        await self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")
        await self.wait_for(ready)

    async def screenshot(self, path: Path) -> None:
        """Writes a picture of the whole page."""
        answer = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))  # noqa: ASYNC240 - a test, and one file

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(f"console.{params['type']}: {params['args']}")
            case "Runtime.exceptionThrown":
                self.complaints.append(f"exception: {params['exceptionDetails']}")
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Network.loadingFailed" if not params.get("canceled"):
                self.complaints.append(f"failed: {params['errorText']}")
            case "Network.responseReceived" if params["response"]["status"] >= 400:
                self.complaints.append(f"{params['response']['status']}: {params['response']['url']}")
            case _:
                pass


@asynccontextmanager
async def open_browser() -> AsyncGenerator[Page, None]:
    """Starts a browser with one tab, and ends it."""
    assert CHROMIUM is not None, "Chromium is needed; on Debian: apt-get install chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                port = await _port(process)
            async with _tab(port) as page:
                yield page
        finally:
            process.terminate()
            await process.communicate()  # reads stderr to its end, so that the browser can say its last


@asynccontextmanager
async def _tab(browser: str) -> AsyncGenerator[Page, None]:
    """Attaches to the tab that is there from the start."""
    async with websockets.connect(browser, max_size=None) as control:
        await control.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(await control.recv())["result"]["targetInfos"]
    target = next(entry["targetId"] for entry in targets if entry["type"] == "page")
    address = f"{browser.partition('/devtools/')[0]}/devtools/page/{target}"
    async with websockets.connect(address, max_size=None) as socket, asyncio.TaskGroup() as tasks:
        page = Page(socket)
        listening = tasks.create_task(page.listen())
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.send(f"{domain}.enable")
        yield page
        listening.cancel()


async def _port(process: asyncio.subprocess.Process) -> str:
    """Returns the address of the DevTools socket, which the browser writes to stderr."""
    assert process.stderr is not None
    async for line in process.stderr:
        found = re.search(rb"DevTools listening on (ws://\S+)", line)
        if found:
            return found[1].decode()
    problem = "the browser ended before it listened"
    raise AssertionError(problem)
