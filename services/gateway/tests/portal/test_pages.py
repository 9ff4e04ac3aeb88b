from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest
from kea_gateway.portal.app import build_app
from kea_gateway.portal.memory_catalog import MemoryCatalog
from openapi_spec_validator import OpenAPIV31SpecValidator
from portal_models import IRIS

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DOCUMENTS = ["/models/iris/openapi.json", "/projects/school/models/marks/openapi.json", "/api/openapi.json"]
PAGES = ["/docs", "/projects/school/docs", "/models/iris/docs", "/projects/school/models/marks/docs", "/api/docs"]


async def test_the_list_has_the_models_of_its_project(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert all(f'href="/models/{name}/docs"' in page for name in ("iris", "grades", "lost"))
    assert "marks" not in page
    assert 'href="/projects/school/models/marks/docs"' in (await client.get("/projects/school/docs")).text


async def test_a_search_hides_what_does_not_match(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs", params={"q": "get_grades PYTHON"})).text
    assert "1 of 3" in page
    assert page.count(" hidden>") == 2


async def test_an_empty_project_says_how_to_begin(client: httpx.AsyncClient) -> None:
    assert "No models yet" in (await client.get("/projects/empty/docs")).text


async def test_models_are_listed_as_json(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()["models"]
    assert [model["name"] for model in models] == ["grades", "iris", "lost"]
    assert models[1]["methods"][0] == {
        "name": "predict",
        "description": "Predicts the species of each flower.",
        "default": True,
        "url": "http://kea.test/models/iris/predict",
    }
    assert models[1]["openapi"] == "http://kea.test/models/iris/openapi.json"


async def test_browsers_are_sent_from_the_list_to_the_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/projects/school/models", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (307, "/projects/school/docs")


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html;q=0.5, application/json"])
async def test_programs_are_not_sent_to_the_page(client: httpx.AsyncClient, accept: str) -> None:
    assert (await client.get("/models", headers={"accept": accept})).status_code == 200


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_openapi(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    document = answer.json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"][0]["url"] == "http://kea.test"
    assert answer.headers["cache-control"] == "no-cache"


async def test_documents_follow_the_scheme_and_host_of_the_caller(client: httpx.AsyncClient) -> None:
    headers = {"host": "kea.example:8443", "x-forwarded-proto": "https"}
    document = (await client.get("/models/iris/openapi.json", headers=headers)).json()
    assert document["servers"][0]["url"] == "https://kea.example:8443"


@pytest.mark.parametrize("host", ['a"b', "a/b", "", "a b"])
async def test_a_host_that_is_none_is_not_echoed(client: httpx.AsyncClient, host: str) -> None:
    document = (await client.get("/models/iris/openapi.json", headers={"host": host})).json()
    assert document["servers"][0]["url"] == "http://localhost"


async def test_the_public_address_is_used_where_it_is_known(catalog: MemoryCatalog) -> None:
    transport = httpx.ASGITransport(build_app(catalog, public_url="https://models.example/"))
    async with httpx.AsyncClient(transport=transport, base_url="http://kea.test") as client:
        document = (await client.get("/models/iris/openapi.json")).json()
    assert document["servers"][0]["url"] == "https://models.example"


async def test_an_unchanged_document_is_not_sent_again(client: httpx.AsyncClient, catalog: MemoryCatalog) -> None:
    tag = (await client.get("/models/iris/openapi.json")).headers["etag"]
    again = await client.get("/models/iris/openapi.json", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    catalog.put(replace(IRIS, version=4))
    changed = await client.get("/models/iris/openapi.json", headers={"if-none-match": tag})
    assert changed.json()["info"]["version"] == "4"


async def test_the_limits_of_an_endpoint_are_shown(client: httpx.AsyncClient, catalog: MemoryCatalog) -> None:
    assert "Limits" not in (await client.get("/models/iris/docs")).text
    catalog.put(replace(IRIS, limits=("10 per minute of each caller",)))
    page = (await client.get("/models/iris/docs")).text
    assert "<li>10 per minute of each caller</li>" in page
    document = (await client.get("/models/iris/openapi.json")).json()
    assert document["info"]["x-kea-limits"] == ["10 per minute of each caller"]
    listed = (await client.get("/models")).json()["models"]
    assert [entry["limits"] for entry in listed if entry["name"] == "iris"] == [["10 per minute of each caller"]]


async def test_what_is_missing_is_shown(client: httpx.AsyncClient) -> None:
    page = (await client.get("/models/grades/docs")).text
    assert "These docs are incomplete" in page
    assert "has no type hint, so any JSON is accepted." in page


async def test_a_model_without_a_deployment_has_a_page_but_no_document(client: httpx.AsyncClient) -> None:
    assert "Not documented at the moment" in (await client.get("/models/lost/docs")).text
    answer = await client.get("/models/lost/openapi.json")
    assert (answer.status_code, answer.json()["reason"]) == (503, "SIGNATURE_UNAVAILABLE")


@pytest.mark.parametrize("path", ["/models/none/docs", "/models/none/openapi.json", "/models/marks/docs"])
async def test_an_unknown_model_is_a_problem_or_a_page(client: httpx.AsyncClient, path: str) -> None:
    problem = await client.get(path)
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
    assert problem.json()["reason"] == "MODEL_NOT_FOUND"
    page = await client.get(path, headers=HTML)
    assert page.status_code == 404
    assert "There is no model" in page.text


async def test_an_unknown_address_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json()["reason"] == "PAGE_NOT_FOUND"


async def test_other_verbs_are_not_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/docs")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_catalog_out_of_reach_is_told(client: httpx.AsyncClient, catalog: MemoryCatalog) -> None:
    catalog.available = False
    assert (await client.get("/models")).json()["reason"] == "CATALOG_UNAVAILABLE"
    assert (await client.get("/docs", headers=HTML)).status_code == 503
    assert (await client.get("/healthz")).status_code == 200


async def test_readiness_is_asked_for(catalog: MemoryCatalog) -> None:
    async def never() -> bool:
        return False

    transport = httpx.ASGITransport(build_app(catalog, ready=never))
    async with httpx.AsyncClient(transport=transport, base_url="http://kea.test") as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/", follow_redirects=False)).headers["location"] == "/docs"


@pytest.mark.parametrize("path", PAGES)
async def test_pages_load_only_what_is_there_and_the_portal_s_own(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert all(address.startswith("/") for address in loaded)
    for address in {address for address in loaded if "/assets/" in address}:
        asset = await client.get(address)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["content-encoding"] == "gzip"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=", answer.text)


async def test_assets_of_another_release_are_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs/assets/000000000000/portal.css")).status_code == 404


async def test_names_and_texts_of_models_are_escaped(client: httpx.AsyncClient, catalog: MemoryCatalog) -> None:
    catalog.put(replace(IRIS, description='<img src="x" onerror="y">'))
    for path in ("/docs", "/models/iris/docs"):
        assert '<img src="x"' not in (await client.get(path)).text
