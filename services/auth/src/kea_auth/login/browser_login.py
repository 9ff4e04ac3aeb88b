"""Logging in and out in a browser."""

from __future__ import annotations

from http import HTTPStatus

from kea_core.authority import Authority
from kea_core.clock import Clock
from kea_core.errors import KeaError
from kea_core.principal import Principal
from starlette.requests import Request
from starlette.responses import Response

from kea_auth.login.attempts import Attempts
from kea_auth.login.cookies import Cookies, fits
from kea_auth.login.devices import Devices
from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.flow import Flow, Flows, new_flow
from kea_auth.login.login_call import known_as, refused, shown_by
from kea_auth.login.passwords import TooManyWaiting
from kea_auth.login.provider import LOGIN
from kea_auth.login.providers import Providers
from kea_auth.login.relying_party import RelyingParty
from kea_auth.login.return_to import asked_return, safe_return
from kea_auth.login.session import BROWSER, Session
from kea_auth.login.sessions import Issued, Sessions
from kea_auth.login.user import User
from kea_auth.login.users import Users
from kea_auth.login.web import (
    address_of,
    base_url,
    check_same_origin,
    json_answer,
    leave,
    page,
    problem_answer,
    read_form,
    redirect,
)


class BrowserLogin:
    """The pages under `/login`.

    Args:
        sessions: begins, refreshes and ends sessions.
        users: knows passwords.
        devices: takes what a login for a device has led to.
        providers: where people can log in.
        flows: signs what browsers keep meanwhile.
        cookies: what browsers keep after that.
        authority: knows whose an access token is.
        of_users: counts attempts by user.
        of_addresses: counts attempts by address.
        public_url: where the gateway is reached; empty: as each request says.
        clock: the present moment.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        users: Users,
        devices: Devices,
        providers: Providers,
        flows: Flows,
        cookies: Cookies,
        authority: Authority,
        of_users: Attempts,
        of_addresses: Attempts,
        public_url: str,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._devices = devices
        self._providers = providers
        self._flows = flows
        self._cookies = cookies
        self._authority = authority
        self._of_users = of_users
        self._of_addresses = of_addresses
        self._public_url = public_url
        self._clock = clock

    async def choose(self, request: Request) -> Response:
        """Goes on with the session that there is, or else shows the ways to log in."""
        back, problem = asked_return(request.url.query), ""
        text = self._cookies.refresh_token(request)
        if text:
            try:
                return self._logged_in(await self._sessions.refresh(text, BROWSER), back)
            except LoginRefused as error:
                refused(error)
                problem = str(error)
        response = self._ways(back, problem)
        if text:
            self._cookies.drop_session(response)
        return response

    async def renew(self, request: Request) -> Response:
        """Gives a page's script fresh cookies, where the session that the browser has still lives."""
        check_same_origin(request)
        text = self._cookies.refresh_token(request)
        try:
            issued = await self._sessions.refresh(text, BROWSER)
            _check_fits(issued)
        except LoginRefused as error:
            if text:  # who has none has tried nothing
                refused(error)
            challenge = 'Bearer realm="kea"'
            gone = problem_answer(HTTPStatus.UNAUTHORIZED, "SESSION_ENDED", str(error), www_authenticate=challenge)
            self._cookies.drop_session(gone)
            return gone
        left = int((issued.expire_time - self._clock()).total_seconds())
        response = json_answer({"subject": issued.subject, "expires_in": left})
        self._cookies.set_session(response, issued, self._clock())
        return response

    async def with_password(self, request: Request) -> Response:
        """Logs a user with a password in."""
        shown_by("password")
        check_same_origin(request)
        back, form = asked_return(request.url.query), await read_form(request)
        user = form.get("user", "").strip()[:127]
        wait = max(self._of_addresses.take(address_of(request)), self._of_users.take(user))
        if wait:
            problem = "there were too many attempts"
            raise TryLater(problem, wait, limited=True)
        try:
            found = await self._users.with_password(user, form.get("password", ""))
        except LoginRefused as error:
            refused(error)
            return self._ways(back, str(error), user, HTTPStatus.FORBIDDEN)
        except TooManyWaiting as error:
            problem = "too many people log in at this moment"
            raise TryLater(problem, limited=True) from error
        return self._logged_in(await self._sessions.begin(found, "", BROWSER), back)

    async def begin(self, request: Request) -> Response:
        """Sends a browser to a provider."""
        party = self._party(request)
        return await self.depart(new_flow(party.provider.id, asked_return(request.url.query)), form=False)

    async def depart(self, flow: Flow, *, form: bool) -> Response:
        """Sends a browser to a flow's provider; `form` says whether it has just sent a form."""
        party = self._providers.get(flow.provider)
        if party is None:
            problem = "nobody can log in there any more"
            raise LoginRefused(problem)
        url = await party.authorization_url(flow)
        response = leave(url, f"Log in with {party.provider.title}") if form else redirect(url, HTTPStatus.FOUND)
        self._cookies.set_flow(response, flow.state, await self._flows.sign(flow))
        return response

    async def callback(self, request: Request) -> Response:
        """Takes a browser back from a provider."""
        party, answer = self._party(request), dict(request.query_params)
        shown_by(f"provider {party.provider.id}")
        state = answer.get("state", "")
        flow = await self._flows.read(self._cookies.flow(request, state))
        if flow is None or flow.provider != party.provider.id:
            problem = "this login was not begun in this browser, or too long ago"
            raise LoginRefused(problem, "state")
        try:
            renewed = await party.redeem(flow, answer)
            user = await self._users.with_identity(renewed.identity)
            if flow.device:
                _check_same(user, flow)
                await self._devices.answer(
                    flow.device, user.id, allowed=True, provider=flow.provider, grant=renewed.grant
                )
                response = device_done()
            else:
                begun = await self._sessions.begin(user, flow.provider, BROWSER, renewed.grant)
                response = self._logged_in(begun, flow.return_to)
        except LoginRefused as error:
            refused(error)
            response = self._ways(flow.return_to, str(error), status=HTTPStatus.FORBIDDEN)
        self._cookies.drop_flow(response, flow.state)  # an answer is taken once
        return response

    async def logout_page(self, request: Request) -> Response:
        """Asks whether to log out; a form of another page of ours has asked already."""
        if request.method == "POST":
            # The refresh token's cookie is sent to addresses under /login only.
            return redirect("/login/end", HTTPStatus.TEMPORARY_REDIRECT)
        return page("logout.html")

    async def end(self, request: Request) -> Response:
        """Logs out, at the provider too."""
        check_same_origin(request)
        session = await self._sessions.of_token(self._cookies.refresh_token(request))
        if session is not None:
            await self._sessions.end(session.id)
        caller = self.caller(request)
        if caller is not None:
            session = await self._sessions.end_of(caller) or session
        response = await self._farewell(session, f"{base_url(request, self._public_url)}/login")
        self._cookies.drop_session(response)
        return response

    def caller(self, request: Request) -> Principal | None:
        """Returns whose the access token of a request is; Envoy has made a bearer token of a browser's cookie."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            caller = self._authority.admit(token.strip())
        except KeaError:
            return None
        known_as(caller)
        shown_by("access token")
        return caller

    async def _farewell(self, session: Session | None, back: str) -> Response:
        party = self._providers.get(session.provider) if session is not None else None
        url = await party.logout_url(session.grant, back) if party is not None and session is not None else ""
        if url and party is not None:
            return leave(url, f"Log out of {party.provider.title}")
        return page("message.html", title="Logged out", text="You are logged out.", place="/login", link="Log in again")

    def _party(self, request: Request) -> RelyingParty:
        party = self._providers.get(request.path_params["provider"])
        if party is None or not party.provider.may(LOGIN):
            problem = "there is no such way to log in"
            raise LoginRefused(problem, "no such provider")
        return party

    def _logged_in(self, issued: Issued, back: str) -> Response:
        _check_fits(issued)
        response = redirect(safe_return(back))
        self._cookies.set_session(response, issued, self._clock())
        return response

    def _ways(self, back: str, problem: str = "", user: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
        providers = self._providers.for_login
        return page("login.html", status, return_to=back, problem=problem, user=user, providers=providers)


def device_done() -> Response:
    """Returns the page after somebody has said yes."""
    text = "The device is logged in. You can close this page."
    return page("message.html", title="Done", text=text, place="/docs", link="Models")


def _check_fits(issued: Issued) -> None:
    if not fits(issued.access_token):
        problem = "your groups do not fit into a browser's cookie; an administrator can set groups_pattern"
        raise LoginRefused(problem, "too many groups")


def _check_same(user: User, flow: Flow) -> None:
    if user.id != flow.user:
        problem = f"you have logged in as {user.name}, and said yes as users/{flow.user}"
        raise LoginRefused(problem, "another user")
