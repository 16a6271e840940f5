"""The openapi toolset, against a small web on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ToolError
from docker_agent.messages import ToolResult
from docker_agent.runtime.toolbox import MANY_TOOLS, Toolbox
from docker_agent.tools.openapi import OpenApi, OpenApiOptions
from docker_agent.tools.openapi_document import read_document, tool_name
from docker_agent.tools.openapi_fetch import MAX_DOCUMENT
from docker_agent.tools.port import Around, Draft
from docker_agent.tools.select import select
from docker_agent.tools.web import open_web
from docker_agent.tools.web_answer import MAX_CHARACTERS
from docker_agent.tools.web_documents import MAX_KEPT, PAUSES, TTL
from tests.requirements import requirement
from tests.tools.surroundings import context
from tests.tools.web_server import (
    PATIENCE,
    Answer,
    Heard,
    Site,
    computed,
    endless,
    everywhere,
    site,
)

pytestmark = pytest.mark.anyio

TEXT = {"type": "string"}
ECHO = computed(lambda heard: Answer(f"{heard.method} {heard.target} {heard.body.decode()}"))


def document(paths: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A whole document."""
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def no_variables(name: str) -> str | None:
    """An environment without any."""
    return None


class Clock:
    """A clock that a test winds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def describing(
    web_site: Site,
    described: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    **options: Any,  # noqa: ANN401 - as in a file
) -> AsyncGenerator[OpenApi]:
    """The toolset of a document that lies at `/api/openapi.json` of the site."""
    if described is not None:
        web_site.pages["/api/openapi.json"] = Answer(json.dumps(described))
    wanted = OpenApiOptions(f"{web_site.url}/api/openapi.json", **options)
    async with open_web(allow_private_ips=True, resolve=everywhere("a.test")) as web:
        toolset = OpenApi(wanted, web, {"KEY": "k1"}.get, clock or Clock())
        try:
            yield toolset
        finally:
            await toolset.close()


def around(headers: Mapping[str, str] | None = None) -> Around:
    """The surroundings of a listing, for a request that came in with `headers`."""
    return Around("root", "", None, headers or {}, Draft())


async def called(
    toolset: OpenApi,
    name: str,
    headers: Mapping[str, str] | None = None,
    /,
    **arguments: Any,  # noqa: ANN401 - arguments
) -> ToolResult:
    """What one call answers."""
    surroundings = msgspec.structs.replace(context(), headers=headers or {})
    async with asyncio.timeout(PATIENCE):
        return await toolset.call(name, arguments, surroundings)


PETS = document(
    {
        "/pets/{petId}": {
            "parameters": [
                {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "lang", "in": "query", "schema": TEXT, "description": "of the path"},
                {"name": "trace", "in": "header", "schema": TEXT},
            ],
            "get": {
                "operationId": "pets/get-one.pet",
                "summary": "One pet.",
                "description": "Never shown.",
                "parameters": [
                    {"$ref": "#/components/parameters/Lang"},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": TEXT}},
                    {
                        **{"name": "ids", "in": "query", "explode": False},
                        "schema": {"type": "array", "items": {"type": "integer"}},
                    },
                    {
                        **{"name": "filter", "in": "query", "style": "deepObject"},
                        "schema": {"type": "object"},
                    },
                    {"name": "session", "in": "cookie", "schema": TEXT},
                    {"name": "Authorization", "in": "header", "schema": TEXT},
                ],
            },
            "put": {
                "description": "x" * 300,
                "requestBody": {"$ref": "#/components/requestBodies/Pet"},
            },
            "delete": {"responses": {}},
        }
    },
    components={
        "parameters": {
            "Lang": {
                **{"name": "lang", "in": "query", "description": "of the operation"},
                "schema": {"type": "string", "enum": ["en", "de"], "default": "en"},
            }
        },
        "requestBodies": {
            "Pet": {
                "required": True,
                "content": {
                    "application/json; charset=utf-8": {
                        "schema": {"$ref": "#/components/schemas/Pet"}
                    }
                },
            }
        },
        "schemas": {
            "Named": {"properties": {"name": TEXT, "id": {**TEXT, "readOnly": True}}},
            "Pet": {
                "allOf": [{"$ref": "#/components/schemas/Named"}],
                "required": ["name", "id"],
                "properties": {
                    "age": {"type": ["null", "integer"]},
                    "owner": {"properties": {"x": TEXT}},
                    "kinds": {"type": "array", "items": {"$ref": "#/components/schemas/Kind"}},
                    "kind": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Kind"}]},
                },
            },
            "Kind": {"type": "string", "enum": ["cat", "dog"]},
        },
    },
)


@requirement("openapi:tools")
async def test_each_operation_is_a_tool() -> None:
    """runtime.md §9.9: names, descriptions, parameters; R: those of the path count too."""
    async with site() as web_site, describing(web_site, PETS) as toolset:
        listing = await toolset.tools(around())
        read, put, delete = listing.specs
        assert [spec.name for spec in listing.specs] == [
            "pets_get_one_pet",
            "put_pets_petId",
            "delete_pets_petId",
        ]
        assert (read.description, put.description) == ("One pet.", "x" * 200)
        assert delete.description == "DELETE /pets/{petId}"
        assert [spec.read_only for spec in listing.specs] == [True, False, False]
        assert read.parameters["properties"] == {
            "petId": {"type": "integer"},
            "lang": {
                **{"type": "string", "description": "of the operation"},
                **{"enum": ["en", "de"], "default": "en"},
            },
            "trace": TEXT,
            "tags": {"type": "array", "items": TEXT},
            "ids": {"type": "array", "items": {"type": "integer"}},
            "filter": {"type": "object"},
            "session": TEXT,
        }
        assert read.parameters["required"] == ["petId"]
        kind = {"type": "string", "enum": ["cat", "dog"]}
        assert put.parameters["properties"] == {
            "petId": {"type": "integer"},
            "lang": {"type": "string", "description": "of the path"},
            "trace": TEXT,
            "body_age": {"type": "integer"},
            "body_owner": {"type": "object"},
            "body_kinds": {"type": "array", "items": kind},
            "body_kind": {"type": "string"},
            "body_name": TEXT,
        }
        assert put.parameters["required"] == ["petId", "body_name"]
        assert f"{web_site.url}/api/openapi.json" in listing.instructions


@requirement("openapi:call")
async def test_arguments_go_where_the_document_says() -> None:
    """runtime.md §9.9, call: path, query and body; R: headers and cookies."""
    page = computed(
        lambda heard: Answer(
            json.dumps(
                [
                    *(heard.method, heard.target, heard.body.decode()),
                    *(heard.headers.get(name) for name in ("trace", "cookie", "content-type")),
                ]
            )
        )
    )
    async with site({"/pets/7": page}) as web_site, describing(web_site, PETS) as toolset:
        result = await called(
            toolset,
            "pets_get_one_pet",
            **{"petId": "7", "lang": "de", "tags": ["a b", "c&d"], "ids": [1, 2], "unknown": 1},
            **{"filter": {"k": "v"}, "trace": "t\r\nX: y", "session": "a;b=c"},
        )
        target = "/pets/7?lang=de&tags=a%20b&tags=c%26d&ids=1,2&filter[k]=v"
        got = json.loads(result.text)
        assert got[1].replace("%5B", "[").replace("%5D", "]").replace("%2C", ",") == target
        assert got[0] == "GET"
        assert got[2:] == ["", "t  X: y", "session=a%3Bb=c", None]
        result = await called(
            toolset, "put_pets_petId", petId=7, body_name="Rex", body_age=3, body_kinds=["cat"]
        )
        body = '{"age":3,"kinds":["cat"],"name":"Rex"}'
        assert json.loads(result.text) == [
            *("PUT", "/pets/7", body, None, None, "application/json"),
        ]
        result = await called(toolset, "delete_pets_petId", petId=7)
        assert json.loads(result.text)[:3] == ["DELETE", "/pets/7", ""]


@requirement("openapi:call")
async def test_what_does_not_fit_is_said_before_the_call() -> None:
    """runtime.md §5.4, R: it names the field and shows the schema line."""
    async with site() as web_site, describing(web_site, PETS) as toolset:
        await toolset.tools(around())
        wrongs: list[tuple[dict[str, Any], str]] = [
            ({}, r"argument `petId` is missing; expected \(required\)"),
            ({"petId": "x"}, "argument `petId`: it must be of type integer"),
            ({"petId": 1, "lang": "fr"}, "argument `lang`: it must be one of"),
        ]
        for arguments, problem in wrongs:
            with pytest.raises(ToolError, match=problem):
                await called(toolset, "pets_get_one_pet", **arguments)
        assert [heard.path for heard in web_site.heard] == ["/api/openapi.json"]


@requirement("openapi:call")
async def test_a_path_argument_stays_one_part_of_the_path() -> None:
    """runtime.md §9.9, call: percent-encoded."""
    paths: dict[str, Any] = {"/files/{name}/x": {"get": {"operationId": "read"}}}
    async with (
        site({"/files/a%2Fb%3Fc/x": ECHO}) as web_site,
        describing(web_site, document(paths)) as toolset,
    ):
        assert (await called(toolset, "read", name="a/b?c")).text == "GET /files/a%2Fb%3Fc/x "
        with pytest.raises(ToolError, match="cannot be part of an address"):
            await called(toolset, "read", name="..")


@requirement("openapi:call")
async def test_a_body_that_is_no_object_is_one_argument() -> None:
    """runtime.md §9.9, body: what has no properties is sent whole."""
    content = {"application/json": {"schema": {"type": "array", "items": {"type": "integer"}}}}
    paths: dict[str, Any] = {
        "/list": {"post": {"operationId": "list", "requestBody": {"content": content}}},
        "/form": {
            "post": {"operationId": "form", "requestBody": {"content": {"text/plain": {}}}},
        },
    }
    async with (
        site({"/list": ECHO, "/form": ECHO}) as web_site,
        describing(web_site, document(paths)) as toolset,
    ):
        assert (await called(toolset, "list", body="[1, 2]")).text == "POST /list [1,2]"
        assert (await called(toolset, "list")).text == "POST /list "
        assert (await called(toolset, "form")).text == "POST /form "


@requirement("openapi:result")
async def test_answers_are_told_as_they_are() -> None:
    """runtime.md §9.9, result: `HTTP n: body` as an error; long ones are cut."""
    paths: dict[str, Any] = {
        path: {"get": {"operationId": path[1:]}} for path in ("/no", "/long", "/endless")
    }
    pages = {"/no": Answer("why", 403), "/long": Answer("x" * 40_000), "/endless": endless}
    async with site(pages) as web_site, describing(web_site, document(paths)) as toolset:
        result = await called(toolset, "no")
        assert (result.text, result.is_error) == ("HTTP 403: why", True)
        for name in ("long", "endless"):
            result = await called(toolset, name)
            assert len(result.text) < MAX_CHARACTERS + 100
            assert "[truncated" in result.text and not result.is_error
        gone = await called(toolset, "other")
        assert gone.is_error and "no operation other" in gone.text


SERVERS: list[tuple[list[Any] | None, str]] = [
    (None, "http://h.test"),
    ([], "http://h.test"),
    ([{"url": "/v2/"}], "http://h.test/v2"),
    ([{"url": "v2"}], "http://h.test/dir/v2"),
    ([{"url": "https://api.test/base/"}, {"url": "https://other.test"}], "https://api.test/base"),
    (
        [{"url": "https://{where}.test/{v}", "variables": {"where": {"default": "eu"}}}],
        "https://eu.test",
    ),
    ([{"url": "/"}], "http://h.test"),
    ([7], "http://h.test"),
]


@requirement("openapi:base")
@pytest.mark.parametrize(("servers", "base"), SERVERS)
def test_the_first_server_is_the_base(servers: list[Any] | None, base: str) -> None:
    """runtime.md §9.9, base URL: relative to the document; none: the document's origin."""
    described = document({}, **({} if servers is None else {"servers": servers}))
    found = read_document(json.dumps(described).encode(), "http://h.test/dir/openapi.json")
    assert found.base == base


NAMES = [
    ("listPets", "get", "/x", "listPets"),
    ("pets/list-all.now", "get", "/x", "pets_list_all_now"),
    ("", "get", "/pets/{id}/toys", "get_pets_id_toys"),
    ("", "post", "/a--b//c", "post_a_b_c"),
    ("a b:c!", "get", "/", "a_b_c_"),
    ("x" * 90, "get", "/", "x" * 64),
]


@requirement("openapi:tools")
@pytest.mark.parametrize(("operation_id", "method", "path", "name"), NAMES)
def test_names_are_what_providers_accept(
    operation_id: str, method: str, path: str, name: str
) -> None:
    """runtime.md §9.9, tool name; §5.1, pattern."""
    assert tool_name(operation_id, method, path) == name


@requirement("openapi:tools")
def test_equal_names_are_told_apart() -> None:
    """runtime.md §8.5: no tool hides another one of its own toolset."""
    parameters = [
        {"name": "id", "in": "path"},
        {"name": "id", "in": "query"},
        {"name": "$top[x]", "in": "query"},
    ]
    item = {"get": {"operationId": "same", "parameters": parameters}}
    found = read_document(json.dumps(document({"/a/{id}": item, "/b": item})).encode(), "http://h")
    assert [each.name for each in found.operations] == ["same", "same_2"]
    assert list(found.operations[0].slots) == ["id", "query_id", "_top_x_"]
    assert found.operations[0].slots["_top_x_"].name == "$top[x]"


@requirement("openapi:document")
async def test_a_document_may_be_yaml() -> None:
    """runtime.md §9.9: JSON or YAML, OpenAPI 3.0 or 3.1."""
    text = """
openapi: 3.1.0
paths:
  /a:
    get:
      operationId: on
      parameters:
        - {name: when, in: query, schema: {type: [string, 'null'], default: 2020-01-01}}
      responses: {200: {description: ok}}
"""
    async with (
        site({"/api/openapi.json": Answer(text)}) as web_site,
        describing(web_site) as toolset,
    ):
        (spec,) = (await toolset.tools(around())).specs
        assert spec.name == "on"
        assert spec.parameters["properties"] == {
            "when": {"type": "string", "default": "2020-01-01"}
        }


CIRCLE = {"$ref": "#/components/schemas/A"}
HOSTILE = [
    document(
        {"/a": {"get": {"requestBody": {"content": {"application/json": {"schema": CIRCLE}}}}}},
        components={"schemas": {"A": {"allOf": [CIRCLE] * 1000, "anyOf": [CIRCLE] * 1000}}},
    ),
    document({"/a": {"$ref": "#/paths/~1a"}}),
    document({"/a": {"get": {"parameters": [{"$ref": "other.yaml#/x"}, 7, {"name": "x"}]}}}),
    document({"/a": {"get": {"parameters": {"x": 1}, "requestBody": [], "operationId": ["x"]}}}),
    document({"/a": {"get": 7}, "/b": []}),
    {"openapi": "3.0.0"},
]


@requirement("openapi:document")
@pytest.mark.parametrize("described", HOSTILE)
def test_a_strange_document_is_read_as_far_as_it_goes(described: dict[str, Any]) -> None:
    """runtime.md §9.9: circles, references to elsewhere, wrong types."""
    read_document(json.dumps(described).encode(), "http://h.test/")


@requirement("openapi:document")
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3) | st.just("#/paths/~1a"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "get",
                        "parameters",
                        "$ref",
                        "schema",
                        "type",
                        "allOf",
                        "content",
                        "name",
                        "in",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_operation_can_be_read(item: Any) -> None:  # noqa: ANN401 - any JSON
    """runtime.md §9.9: no document breaks the server."""
    read_document(json.dumps(document({"/a": item})).encode(), "http://h.test/")


@requirement("openapi:document")
@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (Answer("{}"), "the document is no OpenAPI 3"),
        (Answer('{"swagger": "2.0"}'), "Swagger 2, not OpenAPI 3"),
        (Answer("a: [b"), "neither JSON nor YAML"),
        (Answer(b"\xff\xfe\x00"), "no UTF-8 text"),
        (Answer("[" * 100_000), "neither JSON nor YAML"),
        (Answer("no", 404), "the answer is HTTP 404"),
        (endless, f"more than {MAX_DOCUMENT} bytes"),
    ],
)
async def test_what_is_no_document_is_said(page: Answer, problem: str) -> None:
    """runtime.md §9.9: the listing fails, the run goes on without."""
    async with site({"/api/openapi.json": page}) as web_site, describing(web_site) as toolset:
        with pytest.raises(ToolError, match=r"openapi\.json cannot be had") as failed:
            await toolset.tools(around())
        assert problem in str(failed.value)
        assert (toolset.status.state, toolset.status.reason) == ("failed", str(failed.value))


@requirement("openapi:cache")
async def test_a_document_is_fetched_anew_after_ten_minutes() -> None:
    """runtime.md §9.9, R: TTL 10 min, ETag; the same listing until something changed."""
    clock = Clock()
    first, second = (document({f"/{name}": {"get": {}}}) for name in "ab")
    current = [first, '"one"']

    def page(heard: Heard) -> Answer:
        headers = {"etag": str(current[1])}
        if heard.headers.get("if-none-match") == current[1]:
            return Answer("", 304, headers=headers)
        return Answer(json.dumps(current[0]), headers=headers)

    async with (
        site({"/api/openapi.json": computed(page)}) as web_site,
        describing(web_site, clock=clock) as toolset,
    ):
        assert toolset.status.state == "ready"
        toolset.start()
        assert toolset.status.state == "starting"
        listings = await asyncio.gather(*(toolset.tools(around()) for _ in range(5)))
        assert all(listing is listings[0] for listing in listings)
        assert toolset.status.state == "ready"
        assert len(web_site.heard) == 1
        clock.now += TTL - 1
        await toolset.tools(around())
        assert len(web_site.heard) == 1
        clock.now += 2
        assert await toolset.tools(around()) is listings[0]
        assert [heard.headers.get("if-none-match") for heard in web_site.heard] == [
            None,
            '"one"',
        ]
        current[1] = '"same, other tag"'
        clock.now += TTL
        assert await toolset.tools(around()) is listings[0]
        current[:] = [second, '"two"']
        clock.now += TTL
        assert [spec.name for spec in (await toolset.tools(around())).specs] == ["get_b"]


@requirement("openapi:cache")
async def test_the_last_good_copy_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §9.9, R, and §8.4: pauses between tries, one warning for each streak."""
    clock = Clock()
    async with site() as web_site, describing(web_site, PETS, clock) as toolset:
        listing = await toolset.tools(around())
        good = web_site.pages["/api/openapi.json"]
        web_site.pages["/api/openapi.json"] = Answer("down", 503)
        clock.now += TTL
        with caplog.at_level(logging.WARNING):
            for pause in (*PAUSES, PAUSES[-1]):
                asked = len(web_site.heard)
                assert await toolset.tools(around()) is listing
                assert await toolset.tools(around()) is listing
                assert len(web_site.heard) == asked + 1
                assert toolset.status.state == "degraded"
                assert "HTTP 503" in toolset.status.reason
                clock.now += pause
        assert len([each for each in caplog.records if "cannot be had" in each.message]) == 1
        web_site.pages["/api/openapi.json"] = good
        assert await toolset.tools(around()) is listing
        assert toolset.status.state == "ready"


@requirement("openapi:document")
async def test_no_message_shows_a_key_that_stands_in_the_address() -> None:
    """STYLE.md, Errors: a message names the place, and no secret."""
    async with open_web(allow_private_ips=True) as web:
        url = "http://user:s3cret@127.0.0.1:9/doc?key=${env.KEY}#k"
        toolset = OpenApi(OpenApiOptions(url), web, {"KEY": "k1"}.get, Clock())
        try:
            with pytest.raises(
                ToolError, match=r"http://127\.0\.0\.1:9/doc cannot be had"
            ) as failed:
                await toolset.tools(around())
        finally:
            await toolset.close()
        assert "s3cret" not in str(failed.value) and "k1" not in str(failed.value)


@requirement("openapi:cache")
async def test_a_document_that_comes_late_is_taken_then() -> None:
    """runtime.md §8.4: a failed listing is tried again after a pause."""
    clock = Clock()
    async with site() as web_site, describing(web_site, clock=clock) as toolset:
        for _ in range(2):
            with pytest.raises(ToolError, match="HTTP 404"):
                await toolset.tools(around())
        assert len(web_site.heard) == 1
        web_site.pages["/api/openapi.json"] = Answer(json.dumps(PETS))
        clock.now += PAUSES[0]
        assert len((await toolset.tools(around())).specs) == 3


@requirement("openapi:headers")
async def test_many_callers_at_once_all_get_their_document() -> None:
    """runtime.md §1.3: nobody's fetch is given up for somebody else's."""
    page = Answer(json.dumps(document({"/a": {"get": {}}})))
    headers = {"X-User": "${headers.X-User}"}
    async with (
        site({"/api/openapi.json": page}) as web_site,
        describing(web_site, headers=headers) as toolset,
    ):
        users = [around({"x-user": f"user {number}"}) for number in range(2 * MAX_KEPT)]
        listings = await asyncio.gather(*map(toolset.tools, users))
        assert all(len(listing.specs) == 1 for listing in listings)
        await toolset.tools(users[0])
        assert len(web_site.heard) <= 2 * MAX_KEPT + 1


@requirement("openapi:headers")
async def test_each_callers_headers_bring_their_own_document() -> None:
    """runtime.md §1.3, §8.6: `${headers.NAME}` makes it a toolset of the run."""

    def page(heard: Heard) -> Answer:
        return Answer(json.dumps(document({f"/{heard.headers['x-user']}": {"get": {}}})))

    def own(heard: Heard) -> Answer:
        return Answer(f"{heard.headers['x-user']} {heard.headers['x-key']}")

    pages = {"/api/openapi.json": computed(page), "/anna": computed(own), "/ben": computed(own)}
    headers = {"X-User": "${headers.Who}", "X-Key": "${env.KEY}"}
    async with site(pages) as web_site, describing(web_site, headers=headers) as toolset:
        assert toolset.scope == "run"
        toolset.start()
        assert web_site.heard == [] and toolset.status.state == "ready"
        for who in ("anna", "ben"):
            listing = await toolset.tools(around({"who": who}))
            assert [spec.name for spec in listing.specs] == [f"get_{who}"]
            assert (await called(toolset, f"get_{who}", {"WHO": who})).text == f"{who} k1"
        other = await called(toolset, "get_anna", {"Who": "ben"})
        assert other.is_error


@requirement("openapi:many")
async def test_a_very_long_list_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §9.9, R: above 64 tools, after `tools:` has chosen; once for each agent."""
    for count, warned in ((MANY_TOOLS, 0), (MANY_TOOLS + 1, 2)):
        caplog.clear()
        paths: dict[str, Any] = {f"/{number}": {"get": {}} for number in range(count)}
        async with site() as web_site, describing(web_site, document(paths)) as toolset:
            for _ in range(2):
                gathered = await Toolbox([toolset]).gather(around())
                assert len(gathered.list.specs) == count
            few = select(toolset, tools=["get_1"])
            assert len((await Toolbox([few]).gather(around())).list.specs) == 1
        found = [each.message for each in caplog.records if "'tools:'" in each.message]
        assert len(found) == warned


@requirement("openapi:private")
async def test_a_document_at_a_private_address_is_refused() -> None:
    """runtime.md §8.3, `allow_private_ips`: for the document and for what it names."""
    async with site() as web_site, open_web() as web:
        url = f"{web_site.url}/api/openapi.json"
        toolset = OpenApi(OpenApiOptions(url), web, no_variables)
        with pytest.raises(ToolError, match="not a public address"):
            await toolset.tools(around())
        await toolset.close()
        assert web_site.heard == []
    described = document({"/a": {"get": {"operationId": "a"}}}, servers=[{"url": "http://[::1]/"}])
    async with (
        site({"/": Answer(json.dumps(described))}) as web_site,
        open_web(public=lambda address: address == "127.0.0.1") as web,
    ):
        toolset = OpenApi(OpenApiOptions(f"{web_site.url}/"), web, no_variables)
        with pytest.raises(ToolError, match="::1 is not a public address"):
            await called(toolset, "a")
        await toolset.close()
