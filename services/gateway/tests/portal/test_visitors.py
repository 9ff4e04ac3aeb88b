"""What the portal shows to whom. The tokens are what Envoy makes of a session's cookie."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from kea_core.policy import Binding, Policy
from kea_core.testing.tokens import TEST_BINDINGS, known_authority, make_token
from kea_gateway.portal.app import build_app
from kea_gateway.portal.memory_catalog import MemoryCatalog
from kea_gateway.portal.visitor import visitors_by

HTML = {"accept": "text/html"}
PREDICT = Binding("users/bob", "consumer", "projects/default/endpoints/iris/methods/predict", "bindings/b")
POLICY = Policy(bindings={**TEST_BINDINGS, "bindings/b": PREDICT}, revoked=frozenset({"revoked"}))
"""Bob may call one method of iris; whoever is in group `role-consumer` all methods; everybody else none."""

Visit = Callable[..., httpx.AsyncClient]


@pytest.fixture
def visit(catalog: MemoryCatalog) -> Visit:
    def visit(token: str = "", *, private_docs: bool = False) -> httpx.AsyncClient:
        app = build_app(catalog, visitors=visitors_by(known_authority(POLICY)), login=True, private_docs=private_docs)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kea.test", headers=headers)

    return visit


def bob() -> str:
    return make_token(subject="users/bob")


def cards(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/models/(\w+)/docs">', page)


def marks(page: str) -> dict[str, str]:
    found = re.findall(r"<summary><code>(\w+)</code>(.*?)</summary>", page)
    return {name: re.sub("<[^>]+>", "", rest).replace("default", "").strip() for name, rest in found}


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        (lambda: make_token("consumer"), ["grades", "iris", "lost"]),
        (bob, ["iris"]),
        (lambda: make_token(subject="users/bob", jti="revoked"), []),
        (make_token, []),
        (lambda: "nonsense", []),
        (lambda: "", []),
    ],
)
async def test_the_list_for_programs_shows_what_the_caller_may_call(
    visit: Visit, token: Callable[[], str], seen: list[str]
) -> None:
    answer = await visit(token()).get("/models")
    assert sorted(model["name"] for model in answer.json()["models"]) == seen
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_who_has_logged_in_sees_what_they_may_call_and_how_much_else_there_is(visit: Visit) -> None:
    page = (await visit(bob()).get("/docs", params={"q": "a b"})).text
    assert cards(page) == ["iris"]
    assert "2 more that you may not call." in page
    assert "not callable" not in page
    assert 'href="/docs?q=a%20b&amp;all=1"' in page
    assert "grades" not in page


async def test_the_others_are_shown_where_they_are_asked_for_and_marked(visit: Visit) -> None:
    page = (await visit(bob()).get("/docs", params={"q": "iris", "all": "1"})).text
    assert cards(page) == ["grades", "iris", "lost"]
    assert page.count("not callable") == 2
    assert "not callable" not in page.partition('href="/models/iris/docs"')[2].partition("</li>")[0]
    assert "2 of these you may not call." in page
    assert 'href="/docs?q=iris"' in page
    assert '<input type="hidden" name="all" value="1">' in page


async def test_a_project_keeps_its_own_links(visit: Visit) -> None:
    page = (await visit(bob()).get("/projects/school/docs")).text
    assert "marks" not in page
    assert 'href="/projects/school/docs?all=1"' in page


async def test_who_may_call_everything_is_told_of_no_others(visit: Visit) -> None:
    page = (await visit(make_token("consumer")).get("/docs")).text
    assert cards(page) == ["grades", "iris", "lost"]
    assert 'id="others"' not in page


async def test_who_may_call_nothing_is_told_what_to_ask_for(visit: Visit) -> None:
    page = (await visit(make_token()).get("/docs")).text
    assert cards(page) == []
    assert "No models that you may call" in page
    assert "3 more that you may not call." in page
    assert "No models yet" not in page


@pytest.mark.parametrize("told", [str, lambda: "nonsense", lambda: make_token("consumer", jti="revoked")])
async def test_who_has_not_logged_in_sees_all_models_without_marks(visit: Visit, told: Callable[[], str]) -> None:
    token = told()
    page = (await visit(token).get("/docs")).text
    assert cards(page) == ["grades", "iris", "lost"]
    assert 'id="others"' not in page
    assert "Log in" in page
    assert set(marks((await visit(token).get("/models/iris/docs")).text).values()) == {""}


async def test_each_method_says_whether_one_may_call_it(visit: Visit) -> None:
    refusal = "You may not call this; ask for the role consumer on it"
    page = (await visit(bob()).get("/models/iris/docs")).text
    assert marks(page) == {"predict": "You may call this", "predict_proba": refusal}
    page = (await visit(bob()).get("/models/grades/docs")).text
    assert marks(page) == {"get_grades": refusal, "set_grades": refusal}
    scoped = make_token("consumer", scopes=["viewer"])
    assert set(marks((await visit(scoped).get("/models/iris/docs")).text).values()) == {refusal}


@pytest.mark.parametrize("query", ["", "?all=1"])
async def test_private_docs_do_not_tell_of_others(visit: Visit, query: str) -> None:
    page = (await visit(bob(), private_docs=True).get(f"/docs{query}")).text
    assert cards(page) == ["iris"]
    assert not any(name in page for name in ("grades", "lost"))
    assert 'id="others"' not in page


async def test_private_docs_tell_nobody_whether_there_are_models_they_may_not_call(visit: Visit) -> None:
    async with visit(make_token(), private_docs=True) as client:
        some, none = [(await client.get(place)).text for place in ("/docs", "/projects/empty/docs")]
    plain = none.replace("/projects/empty", "").replace('<span class="project">project empty</span>', "")
    assert some.split() == plain.split()


@pytest.mark.parametrize("token", [str, bob])
@pytest.mark.parametrize("document", ["docs", "openapi.json"])
async def test_private_docs_of_what_one_may_not_call_are_as_good_as_not_there(
    visit: Visit, token: Callable[[], str], document: str
) -> None:
    async with visit(token(), private_docs=True) as client:
        for accept in ("application/json", "text/html"):
            hidden, missing = [
                await client.get(f"/models/{name}/{document}", headers={"accept": accept})
                for name in ("grades", "nones_")
            ]
            assert (hidden.status_code, missing.status_code) == (404, 404)
            assert hidden.text == missing.text.replace("nones_", "grades")
            assert hidden.headers["cache-control"] == missing.headers["cache-control"] == "no-store"


async def test_private_docs_of_what_one_may_call_in_part_are_there(visit: Visit) -> None:
    async with visit(bob(), private_docs=True) as client:
        assert (await client.get("/models/iris/docs", headers=HTML)).status_code == 200
        assert (await client.get("/models/iris/openapi.json")).json()["info"]["version"] == "3"


@pytest.mark.parametrize("path", ["/docs", "/models/iris/docs", "/api/docs"])
async def test_pages_that_depend_on_who_looks_are_not_shared(visit: Visit, path: str) -> None:
    nobody, some = await visit().get(path), await visit(bob()).get(path)
    for answer in (nobody, some):
        assert answer.headers["cache-control"] == "private, no-cache"
        assert {"Cookie", "Authorization"} <= set(answer.headers["vary"].split(", "))
    tags = {"if-none-match": nobody.headers["etag"]}
    assert (await visit().get(path, headers=tags)).status_code == 304
    other = await visit(bob()).get(path, headers=tags)
    assert (other.status_code, other.text) == (200, some.text)


@pytest.mark.parametrize("private_docs", [False, True])
async def test_documents_are_shared_unless_they_are_private(visit: Visit, *, private_docs: bool) -> None:
    expected = {False: "no-cache", True: "private, no-cache"}
    async with visit(bob(), private_docs=private_docs) as client:
        for path in ("/models/iris/openapi.json", "/api/openapi.json"):
            assert (await client.get(path)).headers["cache-control"] == expected[private_docs]
