"""The page on which a person answers for a device."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from kea_core.principal import Principal
from starlette.requests import Request
from starlette.responses import Response

from kea_auth.login.attempts import Attempts
from kea_auth.login.browser_login import BrowserLogin, device_done
from kea_auth.login.device import DeviceGrant, shown, typed
from kea_auth.login.devices import Devices
from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.flow import new_flow
from kea_auth.login.login_call import DENY_DEVICE, doing, refused
from kea_auth.login.ports import LoginStorage
from kea_auth.login.web import check_same_origin, page, read_form, redirect


class DevicePages:
    """`/device`."""

    def __init__(self, storage: LoginStorage, devices: Devices, login: BrowserLogin, attempts: Attempts) -> None:
        self._storage = storage
        self._devices = devices
        self._login = login
        self._attempts = attempts

    async def show(self, request: Request) -> Response:
        """Asks for the code, or whether to say yes."""
        code = typed(request.query_params.get("user_code", ""))
        caller = self._login.caller(request)
        if caller is None:
            place = f"/device?user_code={shown(code)}" if code else "/device"
            return redirect(f"/login?return_to={quote(place)}")
        if not code:
            return self._page(caller)
        try:
            grant = await self._waiting(caller, code)
        except LoginRefused as error:
            return self._page(caller, problem=str(error), status=HTTPStatus.NOT_FOUND)
        return self._page(caller, shown(grant.user_code), client=grant.client)

    async def answer(self, request: Request) -> Response:
        """Takes yes or no. A user of a provider's is sent there: each device has a session of its own there, too."""
        check_same_origin(request)
        caller = self._login.caller(request)
        if caller is None:
            return redirect("/login?return_to=/device")
        form = await read_form(request)
        code, user = typed(form.get("user_code", "")), caller.subject.removeprefix("users/")
        if form.get("answer") != "yes":
            doing(DENY_DEVICE)
        try:
            await self._waiting(caller, code)
            if form.get("answer") != "yes":
                await self._devices.answer(code, user, allowed=False)
                text = "The device is not logged in."
                return page("message.html", title="Refused", text=text, place="/docs", link="Models")
            provider = await self._provider_of(caller)
            if provider:
                return await self._login.depart(new_flow(provider, "/device", code, user), form=True)
            await self._devices.answer(code, user, allowed=True)
        except LoginRefused as error:
            refused(error)
            return self._page(caller, problem=str(error), status=HTTPStatus.NOT_FOUND)
        return device_done()

    async def _waiting(self, caller: Principal, code: str) -> DeviceGrant:
        wait = self._attempts.take(caller.subject)
        if wait:
            problem = "there were too many codes"
            raise TryLater(problem, wait, limited=True)
        return await self._devices.waiting(code)

    async def _provider_of(self, caller: Principal) -> str:
        """Returns where a caller has logged in; empty for a password.

        Raises:
            LoginRefused: the caller has not logged in in a browser: a token alone is not to make lasting sessions.
        """
        async with self._storage.reading() as transaction:
            session = await transaction.sessions.get(caller.session) if caller.session else None
        if session is None or f"users/{session.user}" != caller.subject or caller.scopes:
            problem = "only who has logged in in a browser can say yes"
            raise LoginRefused(problem, "no session")
        return session.provider

    @staticmethod
    def _page(
        caller: Principal, code: str = "", *, client: str = "", problem: str = "", status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        return page("device.html", status, subject=caller.subject, code=code, client=client, problem=problem)
