"""Who gets through a real Envoy, and that it decides as the services do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from kea_core.permission import INVOKE
from kea_core.policy import Binding, Policy
from kea_core.principal import Principal
from kea_core.testing import tokens
from kea_core.testing.tokens import TEST_BINDINGS, make_token
from kea_gateway.inference_messages import message_class

PARENT = "projects/default"
ENDPOINT = f"{PARENT}/endpoints/grades"
SECONDS = 2.0
"""By when a change holds for tokens that are in use."""
ROUNDS, QUESTIONS = 12, 40
MODEL_READY = "/inference.GRPCInferenceService/ModelReady"
Request, Response = message_class("ModelReadyRequest"), message_class("ModelReadyResponse")


@asynccontextmanager
async def serving(start_plane: Any, *names: str) -> AsyncGenerator[Any, None]:
    """A data plane with endpoints that answer every method."""
    async with start_plane() as plane:
        plane.deploy("v1", await plane.upstream("a"))
        for name in names or ("grades",):
            await plane.create(name, v1=10_000)
        for name in names or ("grades",):
            await plane.settled(name)
        yield plane


async def status(plane: Any, subject: str, method: str = "get_grades", **claims: Any) -> int:
    answer = await plane.call_with(make_token(subject=subject, **claims), f"/models/grades/{method}")
    return int(answer.status_code)


async def becomes(plane: Any, expected: int, subject: str, **claims: Any) -> float:
    """Returns after how many seconds calls of someone are answered with a status."""
    begun, token = time.monotonic(), make_token(subject=subject, **claims)
    async with asyncio.timeout(20):
        while (await plane.call_with(token, "/models/grades/get_grades")).status_code != expected:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def test_a_binding_opens_and_its_end_closes(start_plane: Any) -> None:
    async with serving(start_plane) as plane:
        assert await status(plane, "users/bob") == 403
        name = plane.auth.bind("users/bob", "consumer", ENDPOINT)
        assert await becomes(plane, 200, "users/bob") < SECONDS
        assert await status(plane, "users/bo") == 403
        assert await status(plane, "users/bobby") == 403
        plane.auth.delete(name)
        assert await becomes(plane, 403, "users/bob") < SECONDS


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/models/grades/get_grades", 200),
        ("/models/grades/get_grades:validate", 200),
        ("/projects/default/models/grades/get_grades", 200),
        ("/v2/models/grades.get_grades/infer", 200),
        ("/v2/models/grades.get_grades/versions/1/infer", 200),
        ("/v1/models/grades.get_grades:predict", 200),
        ("/models/grades/set_grades", 403),
        ("/models/grades/set_grades:validate", 403),
        ("/models/grades/set%5Fgrades", 403),
        ("/models/grades/get_grades/../set_grades", 403),
        ("/models/grades/./set_grades", 403),
        ("/models/grades//set_grades", 403),
        ("/v2/models/grades.set_grades/infer", 403),
        ("/v2/models/grades/infer", 403),
        ("/v2/models/grades.get_grades.set_grades/infer", 403),
        ("/v1/models/grades.set_grades:predict", 403),
        ("/v1/models/grades:predict", 403),
        ("/models/grades/get_grades%2f..%2fset_grades", 400),
    ],
)
async def test_one_method_is_open_in_every_protocol_and_no_other_is(start_plane: Any, path: str, code: int) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("groups/Students", "consumer", f"{ENDPOINT}/methods/get_grades")
        await becomes(plane, 200, "users/bob", groups=["Students"])
        token = make_token(subject="users/bob", groups=["Students"])
        assert (await plane.call_with(token, path)).status_code == code
        # A caller's own header of the gateway's is none.
        spoofed = await plane.call_with(token, path, **{"x-kea-method": "get_grades", "x-kea-model": "default/grades"})
        assert spoofed.status_code == code


async def test_what_callers_say_of_themselves_is_not_believed(start_plane: Any) -> None:
    forged = {"x-kea-subject": "users/ada", "x-kea-groups": ",Students,", "x-kea-scopes": ",admin,"}
    async with serving(start_plane) as plane:
        plane.auth.bind("groups/Students", "consumer")
        plane.auth.bind("users/ada", "consumer")
        await becomes(plane, 200, "users/ada")
        path = "/models/grades/get_grades"
        stranger, scoped = make_token(subject="users/eve"), make_token(subject="users/ada", scopes=["no-role"])
        for token in (stranger, scoped):
            for headers in ({}, forged, {name.upper(): value for name, value in forged.items()}):
                assert (await plane.call_with(token, path, **headers)).status_code == 403
        assert (await plane.http.post(path, headers=forged, json={})).status_code == 401


async def test_the_access_log_tells_who_calls_and_takes_nobodys_word(start_plane: Any, eventually: Any) -> None:
    forged = {f"x-kea-{name}": "forged" for name in ("subject", "groups", "scopes", "token", "session", "account")}
    async with serving(start_plane) as plane:
        plane.auth.bind("users/bob", "consumer")
        await becomes(plane, 200, "users/bob")
        called = await plane.call_with(make_token(subject="users/bob"), "/models/grades/get_grades", **forged)
        opened = await plane.http.get("/models/grades/docs", headers=forged)  # needs no token, so none is looked at

        async def written() -> Any:
            lines = plane.envoy.written()
            found = [lines.get(answer.headers["x-request-id"]) for answer in (called, opened)]
            return all(found) and found

        of_call, of_docs = await eventually(written)
        assert (of_call["subject"], of_call["model"], of_call["status"]) == ("users/bob", "default/grades", 200)
        assert "subject" not in of_docs
        assert "forged" not in str([of_call, of_docs])


async def test_lists_as_tokens_had_them_once_give_nothing(start_plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("groups/Students", "consumer")
        plane.auth.bind("users/ada", "consumer")
        await becomes(plane, 200, "users/bob", groups=["Students"])
        await becomes(plane, 200, "users/ada")
        monkeypatch.setattr(tokens, "pack", list)
        for token in (make_token(subject="users/bob", groups=["Students"]), make_token(scopes=["consumer"])):
            assert (await plane.call_with(token, "/models/grades/get_grades")).status_code == 403


async def test_no_token_is_taken_from_an_address(start_plane: Any) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("users/ada", "consumer")
        await becomes(plane, 200, "users/ada")
        answer = await plane.http.post("/models/grades/get_grades", params={"access_token": make_token()}, json={})
        assert answer.status_code == 401


async def ready(plane: Any, token: str, message: bytes, **headers: str) -> grpc.StatusCode:
    """Asks over gRPC whether a model is ready, in so many bytes; returns the code of the answer."""
    metadata = [("authorization", f"Bearer {token}"), *headers.items()]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.envoy.port}") as channel:
        try:
            await channel.unary_unary(MODEL_READY)(message, metadata=tuple(metadata), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_over_grpc_the_method_is_the_messages(start_plane: Any) -> None:
    """Upstreams here speak no gRPC: who gets through learns that none can be reached."""
    allowed, denied = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.PERMISSION_DENIED
    named = {method: Request(name=f"grades.{method}").SerializeToString() for method in ("get_grades", "set_grades")}
    async with serving(start_plane) as plane:
        plane.auth.bind("users/bob", "consumer", f"{ENDPOINT}/methods/get_grades")
        await becomes(plane, 200, "users/bob")
        token = make_token(subject="users/bob")
        assert await ready(plane, token, named["get_grades"]) is allowed
        assert await ready(plane, token, named["set_grades"]) is denied
        assert await ready(plane, token, Request(name="grades").SerializeToString()) is denied
        header = {"x-kea-model-name": "grades.get_grades"}
        assert await ready(plane, token, named["set_grades"], **header) is denied
        assert await ready(plane, token, b"", **header) is denied
        assert await ready(plane, token, named["set_grades"], **{"x-kea-method": "get_grades"}) is denied


async def test_scopes_take_away(start_plane: Any) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("users/bob", "engineer", PARENT)
        await becomes(plane, 200, "users/bob")
        assert await status(plane, "users/bob", scopes=["consumer"]) == 200
        assert await status(plane, "users/bob", scopes=["viewer", "consumer"]) == 200
        assert await status(plane, "users/bob", scopes=["viewer"]) == 403
        assert await status(plane, "users/bob", scopes=["unheard-of"]) == 403
        assert await status(plane, "users/eve", scopes=["consumer"]) == 403


@pytest.mark.parametrize("claim", ["jti", "sid", "uid"])
async def test_a_revoked_token_is_refused_in_each_protocol(start_plane: Any, claim: str) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("everyone", "consumer", PARENT)
        await becomes(plane, 200, "users/bob", **{claim: "revoked"})
        plane.auth.revoke("another")
        plane.auth.revoke("revoked")
        assert await becomes(plane, 401, "users/bob", **{claim: "revoked"}) < SECONDS
        token = make_token(subject="users/bob", **{claim: "revoked"})
        problem = await plane.call_with(token, "/models/grades/get_grades")
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        told = problem.json()
        assert (told["status"], told["reason"], told["detail"]) == (401, "TOKEN_INVALID", "the token has been revoked")
        oip = await plane.call_with(token, "/v2/models/grades/infer")
        assert (oip.status_code, oip.json()) == (401, {"error": "the token has been revoked"})
        rest = await plane.http.get("/api/v1/projects/default/models", headers={"authorization": f"Bearer {token}"})
        assert (rest.status_code, rest.json()["code"]) == (401, 16)
        message = Request(name="grades").SerializeToString()
        assert await ready(plane, token, message) is grpc.StatusCode.UNAUTHENTICATED
        # The ids are the token's, whatever a caller says they are; and the model does not see them.
        spoofed = {f"x-kea-{name}": "fine" for name in ("token", "session", "account")}
        assert (await plane.call_with(token, "/models/grades/get_grades", **spoofed)).status_code == 401
        assert await status(plane, "users/bob") == 200
        assert (await plane.http.get("/v2/health/live")).status_code == 200
        plane.auth.delete("revocations/revoked")
        assert await becomes(plane, 200, "users/bob", **{claim: "revoked"}) < SECONDS


async def test_changes_under_load_disturb_nobody_else(start_plane: Any, callers: Any) -> None:
    async with serving(start_plane) as plane:
        plane.auth.bind("users/bob", "consumer", ENDPOINT)
        await becomes(plane, 200, "users/bob", jti="bobs")
        async with callers(plane, model="grades")() as calling:
            for number in range(20):
                plane.auth.revoke(f"other-{number}")
                name = plane.auth.bind(f"groups/g{number}", "consumer", PARENT)
                await becomes(plane, 200, "users/eve", groups=[f"g{number}"])
                plane.auth.delete(name)
                await becomes(plane, 403, "users/eve", groups=[f"g{number}"])
            plane.auth.revoke("bobs")
            assert await becomes(plane, 401, "users/bob", jti="bobs") < SECONDS
            await calling.more(20)
        assert calling.failures == []


class Questions:
    """Random policies, and random questions about them."""

    NAMES = ("grades", "iris")
    METHODS = ("get_grades", "set_grades")
    SUBJECTS = ("users/ada", "users/bob", "serviceAccounts/ci")
    GROUPS = ("Students", "Student", "Teachers & staff", "5 %, Students", "users/ada")
    ROLES = ("viewer", "consumer", "engineer", "operator", "unheard-of")

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def bindings(self) -> list[Binding]:
        choose = self._random.choice
        members = [*self.SUBJECTS, *(f"groups/{group}" for group in self.GROUPS), "everyone"]
        resources = ["", PARENT, "projects/other"]
        for name in self.NAMES:
            endpoint = f"{PARENT}/endpoints/{name}"
            resources += [endpoint, endpoint, *(f"{endpoint}/methods/{method}" for method in self.METHODS)]
        return [
            Binding(choose(members), choose(self.ROLES), choose(resources))
            for _ in range(self._random.randrange(2, 14))
        ]

    def caller(self) -> Principal:
        groups = frozenset(group for group in self.GROUPS if self._random.random() < 0.3)
        scopes = tuple(sorted({self._random.choice(self.ROLES) for _ in range(self._random.choice((0, 0, 1, 2)))}))
        return Principal(self._random.choice(self.SUBJECTS), groups, scopes)

    def asked(self) -> tuple[str, str]:
        """Returns an endpoint and a method, empty for the default one."""
        return self._random.choice(self.NAMES), self._random.choice((*self.METHODS, ""))


async def test_envoy_and_the_services_decide_alike(start_plane: Any) -> None:
    seed = random.SystemRandom().randrange(10**6)
    questions, answers = Questions(seed), {True: 0, False: 0}
    async with serving(start_plane, *Questions.NAMES) as plane:
        for number in range(ROUNDS):
            chosen = questions.bindings()
            names = [plane.auth.bind(binding.member, binding.role, binding.resource) for binding in chosen]
            # Told last, so who knows it knows them all.
            marker = plane.auth.bind(f"users/marker-{number}", "consumer")
            await answered(plane, f"users/marker-{number}", 200)
            policy = Policy(bindings={**TEST_BINDINGS, **dict(zip(names, chosen, strict=True))})
            for _ in range(QUESTIONS):
                caller, (name, method) = questions.caller(), questions.asked()
                resource = f"{PARENT}/endpoints/{name}" + (f"/methods/{method}" if method else "")
                allowed = policy.decide(caller, INVOKE, resource).allowed
                token = make_token(subject=caller.subject, groups=sorted(caller.groups), scopes=caller.scopes)
                address = f"/v2/models/{name}{'.' if method else ''}{method}/infer"
                answer = await plane.call_with(token, address)
                told = f"seed {seed}: {caller} asks {resource} by {chosen}"
                assert answer.status_code == (200 if allowed else 403), told
                answers[allowed] += 1
            for binding in (*names, marker):
                plane.auth.delete(binding)
            await answered(plane, f"users/marker-{number}", 403)
    assert min(answers.values()) > ROUNDS * QUESTIONS / 20, answers


async def answered(plane: Any, subject: str, status: int) -> None:
    """Returns once someone is answered with a status at every endpoint."""
    token = make_token(subject=subject)
    async with asyncio.timeout(20):
        for name in Questions.NAMES:
            while (await plane.call_with(token, f"/v2/models/{name}/infer")).status_code != status:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)


async def test_management_calls_are_refused_in_their_shapes(start_plane: Any) -> None:
    """Over gRPC the message is a sentence; over REST, where the transcoder speaks gRPC for the caller, a status."""
    async with serving(start_plane) as plane, grpc.aio.insecure_channel(f"127.0.0.1:{plane.envoy.port}") as channel:
        plane.auth.revoke("revoked")
        await becomes(plane, 401, "users/bob", jti="revoked")
        token = f"Bearer {make_token('admin', jti='revoked')}"
        for path in ("/kea.router.v1.EndpointService/GetEndpoint", "/google.longrunning.Operations/GetOperation"):
            call = channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"", metadata=(("authorization", token),), timeout=10)
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "the token has been revoked",
            )
        headers = {"authorization": f"Bearer {make_token('admin')}"}
        unknown = await plane.http.get("/api/v1/projects/default/endpoints?nonsense=1", headers=headers)
        assert unknown.status_code == 400
        assert unknown.json()["code"] == 3
