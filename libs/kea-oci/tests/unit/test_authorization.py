from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.authorization import (
    DEFAULT_TOKEN_SECONDS,
    EARLY_SECONDS,
    MAX_ANSWER_BYTES,
    MAX_TOKENS,
    Authorization,
    Challenge,
    challenges_of,
)
from kea_oci.errors import RegistryDenied, RegistryUnavailable

BEARER = 'Bearer realm="https://token.example/"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Negotiate", []),
        ("Bearertoken", []),
        ("Basic", [Challenge("basic", {})]),
        ('BASIC realm="a b"', [Challenge("basic", {"realm": "a b"})]),
        ("Basic realm=kea", [Challenge("basic", {"realm": "kea"})]),
        ('Basic realm="kea", charset="UTF-8"', [Challenge("basic", {"realm": "kea", "charset": "UTF-8"})]),
        (
            'Bearer realm="https://t/x?a=1,2",service="s",scope="repository:a:pull,push"',
            [Challenge("bearer", {"realm": "https://t/x?a=1,2", "service": "s", "scope": "repository:a:pull,push"})],
        ),
        ('Bearer Realm = "r" , SERVICE = s', [Challenge("bearer", {"realm": "r", "service": "s"})]),
        (r'Basic realm="say \"hi\" \\"', [Challenge("basic", {"realm": 'say "hi" \\'})]),
        ('Bearer realm="",service=""', [Challenge("bearer", {"realm": "", "service": ""})]),
        ('Bearer realm="cut', [Challenge("bearer", {})]),
        (
            'Basic realm="kea",Bearer realm="r",service="s", Basic',
            [
                Challenge("basic", {"realm": "kea"}),
                Challenge("bearer", {"realm": "r", "service": "s"}),
                Challenge("basic", {}),
            ],
        ),
        ('Negotiate, Basic realm="kea"', [Challenge("basic", {"realm": "kea"})]),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    assert challenges_of(header) == expected


def test_a_comma_in_quotes_begins_no_challenge() -> None:
    header = 'Bearer realm="https://t/",error="Bearer, Basic or none",service="s"'
    (challenge,) = challenges_of(header)
    assert (challenge.scheme, challenge.parameters["service"]) == ("bearer", "s")


def test_what_is_not_understood_is_left_out() -> None:
    header = 'Bearer realm="https://t/",service="s", Digest realm="kea",nonce="x"'
    assert challenges_of(header) == [Challenge("bearer", {"realm": "https://t/", "service": "s"})]


TOKENS = st.text("abcxyzABC", min_size=1, max_size=8)
QUOTED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
PARAMETERS = st.dictionaries(TOKENS.map(str.lower), QUOTED, min_size=1, max_size=4)
KNOWN = st.sampled_from(["bearer", "basic"])


def written(scheme: str, parameters: dict[str, str], *, gap: str = ",") -> str:
    quoted = {name: value.replace("\\", r"\\").replace('"', r"\"") for name, value in parameters.items()}
    return f"{scheme.title()} " + gap.join(f'{name}="{value}"' for name, value in quoted.items())


@given(scheme=KNOWN, parameters=PARAMETERS, gap=st.sampled_from([",", ", ", " , "]))
def test_what_is_written_as_the_rfc_says_is_read(scheme: str, parameters: dict[str, str], gap: str) -> None:
    assert challenges_of(written(scheme, parameters, gap=gap)) == [Challenge(scheme, parameters)]


@given(st.lists(st.tuples(KNOWN, st.dictionaries(TOKENS.map(str.lower), TOKENS, min_size=1)), max_size=4))
def test_many_challenges_are_read_in_their_order(many: list[tuple[str, dict[str, str]]]) -> None:
    header = ", ".join(written(scheme, parameters) for scheme, parameters in many)
    assert challenges_of(header) == [Challenge(scheme, parameters) for scheme, parameters in many]


@given(st.text(max_size=300) | st.text('Bearbsic ,="\\', max_size=60))
def test_no_header_breaks_the_reader(header: str) -> None:
    assert {challenge.scheme for challenge in challenges_of(header)} <= {"bearer", "basic"}


@pytest.mark.parametrize(
    "header", ["Bearer " + "a" * 60_000, 'Bearer x="' + '\\"' * 30_000, "a" + " " * 60_000 + "b", "a " * 30_000]
)
def test_a_long_header_is_read_in_steps_that_grow_with_its_length(header: str) -> None:
    # The steps of `re` cannot be counted: these take milliseconds, and half a minute where it goes back and forth.
    begun = time.process_time()
    challenges_of(header)
    assert time.process_time() - begun < 0.5


class TokenService:
    """Gives what a test says, and counts. A stand-in, as a real one cannot be told to fail."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(HTTPStatus.OK, json={"token": "t"})
        self.calls = 0
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))
        self.authorization = Authorization("r.example", self.client, None, plain_http=False, now=lambda: self.now)

    def handle(self, _request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return self.answer()

    def gives(self, **document: object) -> None:
        self.answer = lambda: httpx.Response(HTTPStatus.OK, json=document)


@pytest.fixture
async def service() -> AsyncGenerator[TokenService]:
    service = TokenService()
    async with service.client:
        yield service


@pytest.mark.parametrize(
    ("document", "seconds"),
    [
        ({}, DEFAULT_TOKEN_SECONDS),
        ({"expires_in": 300}, 300),
        ({"expires_in": 90.5}, 90.5),
        ({"expires_in": 0}, DEFAULT_TOKEN_SECONDS),
        ({"expires_in": -5}, DEFAULT_TOKEN_SECONDS),
        ({"expires_in": "300"}, DEFAULT_TOKEN_SECONDS),
        ({"expires_in": None}, DEFAULT_TOKEN_SECONDS),
    ],
)
async def test_a_token_is_good_until_shortly_before_it_ends(
    service: TokenService, document: dict[str, object], seconds: float
) -> None:
    service.gives(token="t", **document)
    assert await service.authorization.answer(BEARER, "s") == "Bearer t"
    assert service.authorization.header("s") == "Bearer t"
    assert service.authorization.header("other") is None
    service.now += seconds - EARLY_SECONDS - 0.001
    assert service.authorization.header("s") == "Bearer t"
    service.now += 0.002
    assert service.authorization.header("s") is None


async def test_a_token_that_is_good_for_ever_is_taken(service: TokenService) -> None:
    service.gives(token="t", expires_in=10**400)
    assert await service.authorization.answer(BEARER, "s") == "Bearer t"


async def test_no_more_tokens_are_kept_than_a_bound_and_the_oldest_goes(service: TokenService) -> None:
    for number in range(MAX_TOKENS + 2):
        await service.authorization.answer(BEARER, str(number))
    kept = [number for number in range(MAX_TOKENS + 2) if service.authorization.header(str(number))]
    assert kept == list(range(2, MAX_TOKENS + 2))


async def test_an_answer_that_was_not_good_is_forgotten(service: TokenService) -> None:
    await service.authorization.answer(BEARER, "s")
    service.answer = lambda: httpx.Response(HTTPStatus.FORBIDDEN)
    with pytest.raises(RegistryDenied):
        await service.authorization.answer(BEARER, "s")
    assert service.authorization.header("s") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"{}",
        b'{"token": ""}',
        b'{"token": 5}',
        b'{"token": {"a": 1}}',
        b'{"token": "a\\r\\nx-injected: 1"}',
        b'{"token": "\\u00e9"}',
        b'{"token": "\\ud800"}',
        b"[" * 100_000,
        b'{"token": "t", "x": "' + b"x" * MAX_ANSWER_BYTES + b'"}',
    ],
)
async def test_what_is_no_token_is_not_used(service: TokenService, content: bytes) -> None:
    service.answer = lambda: httpx.Response(HTTPStatus.OK, content=content)
    with pytest.raises(RegistryDenied, match="its token service gave no token"):
        await service.authorization.answer(BEARER, "s")
    assert service.authorization.header("s") is None


async def test_a_challenge_that_cannot_be_answered_is_passed_over(service: TokenService) -> None:
    assert await service.authorization.answer(f"Basic realm=x, Bearer, {BEARER}", "s") == "Bearer t"
    with pytest.raises(RegistryDenied, match="none are known for it"):
        await service.authorization.answer('Basic realm="x", Bearer', "s")
    assert service.calls == 1


async def test_a_token_service_that_breaks_off_is_told(service: TokenService) -> None:
    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            yield b'{"tok'
            problem = "gone"
            raise httpx.ReadError(problem)

    service.answer = lambda: httpx.Response(HTTPStatus.OK, stream=Broken())
    with pytest.raises(RegistryUnavailable, match=r"token\.example does not answer: ReadError"):
        await service.authorization.answer(BEARER, "s")
