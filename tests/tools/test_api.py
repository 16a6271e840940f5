"""The api toolset, against a small web on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.config.convert import convert
from docker_agent.config.decode import decode
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.api import Api, ApiOptions, Endpoint
from docker_agent.tools.web import open_web
from docker_agent.tools.web_answer import MAX_CHARACTERS
from tests.requirements import requirement
from tests.tools.surroundings import around, context
from tests.tools.web_server import (
    PATIENCE,
    Answer,
    Site,
    computed,
    endless,
    everywhere,
    redirect,
    silent,
    site,
)

pytestmark = pytest.mark.anyio

ENV = {"KEY": "k1", "HOST": "{url}"}
TEXT = {"type": "string"}


def options(config: Mapping[str, Any], **more: Any) -> ApiOptions:  # noqa: ANN401 - as in a file
    """The options that a file with this `api_config` has."""
    whole = {"api_config": {"name": "tool", **config}, **more}
    return convert(decode(json.dumps(whole).encode(), "agent.yaml"), ApiOptions)


@asynccontextmanager
async def calling(web_site: Site, **config: Any) -> AsyncGenerator[Api]:  # noqa: ANN401 - as in a file
    """The toolset of an `api_config` whose endpoint is a path of the site."""
    config["endpoint"] = web_site.url + config.get("endpoint", "/")
    async with open_web(allow_private_ips=True, resolve=everywhere("other.test")) as web:
        yield Api(options(config), web, ENV.get)


async def called(
    api: Api, arguments: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> ToolResult:
    """What one call answers, for a request that came in with `headers`."""
    surroundings = msgspec.structs.replace(context(), headers=headers or {})
    async with asyncio.timeout(PATIENCE):
        return await api.call("tool", arguments or {}, surroundings)


ECHO = computed(lambda heard: Answer(f"{heard.method} {heard.target} {heard.body.decode()}"))

CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", "/x/${a}", {"a": "1"}, "GET /x/1 "),
    ("GET", "/x", {"a": "1", "n": 2}, "GET /x?a=1&n=2 "),
    ("GET", "/x?f=${a}&g=1", {"a": "v", "n": 2.5}, "GET /x?f=v&g=1&n=2.5 "),
    ("GET", "/x?", {"flag": True}, "GET /x?flag=true "),
    ("GET", "/x/${ a }/y", {"a": "a/b?c#d&e"}, "GET /x/a%2Fb%3Fc%23d&e/y "),
    ("GET", "/x", {"a": "a b+c&d=ü"}, "GET /x?a=a%20b%2Bc%26d%3D%C3%BC "),
    ("GET", "/x/${encodeURIComponent(a)}", {"a": "a b"}, "GET /x/a%20b "),
    ("GET", "/x/${a || 'none'}", {}, "GET /x/none "),
    ("GET", "/x/${a.toUpperCase()}/${env.KEY}", {"a": "q"}, "GET /x/Q/k1 "),
    ("GET", "/x/${a}", {"a": "${env.KEY}"}, "GET /x/$%7Benv.KEY%7D "),
    ("GET", "/x/${a}", {"a": "%2e%2e"}, "GET /x/%252e%252e "),
    ("GET", "/x", {"list": ["p", "q"]}, "GET /x?list=p&list=q "),
    ("GET", "/x", {"unknown": "1"}, "GET /x "),
    ("DELETE", "/x/${a}", {"a": "1", "n": 3}, "DELETE /x/1?n=3 "),
    ("POST", "/x/${a}", {"a": "1", "n": 2}, 'POST /x/1 {"n":2}'),
    ("POST", "/x", {"a": "1", "flag": False}, 'POST /x {"a":"1","flag":false}'),
    ("PUT", "/x/${a}", {"a": "1", "list": ["p"]}, 'PUT /x/1 {"list":["p"]}'),
    ("PATCH", "/x", {}, "PATCH /x {}"),
    ("post", "/x", {"a": "ü"}, 'POST /x {"a":"ü"}'),
]
ARGS = {
    "a": TEXT,
    "n": {"type": "number"},
    "flag": {"type": "boolean"},
    "list": {"type": "array", "items": TEXT},
}


@requirement("api:request")
@pytest.mark.parametrize(("method", "endpoint", "arguments", "expected"), CALLS)
async def test_arguments_go_into_address_query_or_body(
    method: str, endpoint: str, arguments: dict[str, Any], expected: str
) -> None:
    """runtime.md §9.8, R: percent-encoded in the address for every method, the rest in the body of
    POST, PUT and PATCH or in the query."""
    async with site() as web_site:
        for path in {expected.split(" ")[1].partition("?")[0]}:
            web_site.pages[path] = ECHO
        async with calling(web_site, method=method, endpoint=endpoint, args=ARGS) as api:
            result = await called(api, arguments)
        assert (result.text, result.is_error) == (expected, False)
        has_body = expected.startswith("P")
        sent = web_site.heard[0].headers.get("content-type") == "application/json"
        assert sent is has_body


@requirement("api:request")
async def test_a_post_whose_arguments_are_all_in_the_address_has_no_body() -> None:
    """runtime.md §9.8, R."""
    async with site({"/x/1": ECHO}) as web_site:
        async with calling(
            web_site, method="POST", endpoint="/x/${a}", args={"a": TEXT}, required=["a"]
        ) as api:
            assert (await called(api, {"a": "1"})).text == "POST /x/1 "
        assert "content-type" not in web_site.heard[0].headers


@requirement("api:request")
@given(st.text(max_size=20))
def test_an_argument_stays_one_part_of_the_address(text: str) -> None:
    """runtime.md §9.8, R: percent-encode inserted values."""
    endpoint = Endpoint("http://host.test/a/${x}/b?q=${x}", frozenset({"x"}), ENV.get)
    if text in (".", ".."):
        with pytest.raises(ToolError):
            endpoint.filled({"x": text}, {})
        return
    if "\ud800" <= max(text, default="") <= "\udfff":
        return
    url = endpoint.filled({"x": text}, {})
    path, _, query = url.removeprefix("http://host.test/a/").partition("/b?q=")
    assert path == query
    assert not set(path) & set("/?#&=+ ${}\\\"'<>")


@requirement("api:request")
async def test_an_argument_cannot_climb_out_of_its_path() -> None:
    """runtime.md §9.8, R."""
    async with site() as web_site, calling(web_site, endpoint="/x/${a}/y", args=ARGS) as api:
        for text in (".", ".."):
            with pytest.raises(ToolError, match="cannot be part of an address"):
                await called(api, {"a": text})
        assert web_site.heard == []


@requirement("api:arguments")
async def test_slips_of_a_model_are_repaired() -> None:
    """runtime.md §5.4 and §9.8, R: scalars become text, numbers in quotes numbers."""
    args = {**ARGS, "i": {"type": "integer"}, "o": {"type": "object"}, "e": {"enum": ["x", "y"]}}
    given: dict[str, Any] = {
        **{"a": 5, "n": "1.5", "i": "7", "flag": "true", "list": "p", "o": '{"k": 1}', "e": "x"},
    }
    config: dict[str, Any] = {"method": "POST", "args": args, "required": ["a", "n"]}
    async with site({"/": ECHO}) as web_site, calling(web_site, **config) as api:
        result = await called(api, given)
        assert json.loads(result.text.removeprefix("POST / ")) == {
            **{"a": "5", "n": 1.5, "i": 7, "flag": True, "list": ["p"], "o": {"k": 1}},
            "e": "x",
        }
        for value, sent in ((["p"], ["p"]), ('["p", "q"]', ["p", "q"]), (None, None)):
            text = (await called(api, {"a": None, "n": None, "list": value})).text
            body = json.loads(text.removeprefix("POST / "))
            assert body.get("list") == sent
            assert (body["a"], body["n"]) == ("", 0)
        wrongs: list[tuple[dict[str, Any], str]] = [
            ({"n": 1}, r'argument `a` is missing; expected \(required\): "a": \{"type"'),
            ({"a": "x", "n": "many"}, "argument `n`: it must be of type number"),
            ({"a": "x", "n": True}, "argument `n`: it must be of type number"),
            ({"a": "x", "n": 1, "i": 1.5}, "argument `i`: it must be of type integer"),
            ({"a": "x", "n": 1, "i": "NaN"}, "argument `i`: it must be of type integer"),
            ({"a": "x", "n": 1, "e": "z"}, "argument `e`: it must be one of"),
            ({"a": "x", "n": 1, "o": []}, "argument `o`: it must be of type object"),
        ]
        for arguments, problem in wrongs:
            with pytest.raises(ToolError, match=problem):
                await called(api, arguments)


@requirement("api:result")
async def test_a_status_of_400_or_more_is_an_error() -> None:
    """runtime.md §9.8, R: `HTTP n: body`."""
    async with site({"/": Answer("no such pet", 404)}) as web_site:
        async with calling(web_site) as api:
            result = await called(api)
        assert (result.text, result.is_error) == ("HTTP 404: no such pet", True)


@requirement("api:result")
async def test_a_long_answer_is_cut() -> None:
    """runtime.md §5.7: 1 MiB is read, 30,000 characters are kept."""
    async with site({"/": Answer("ü" * 40_000)}) as web_site, calling(web_site) as api:
        text = (await called(api)).text
        assert text.startswith("ü" * MAX_CHARACTERS + "\n\n[truncated")
        assert "of 40000 characters" in text and len(text) < MAX_CHARACTERS + 100
        web_site.pages["/"] = endless
        assert "[truncated" in (await called(api)).text
        web_site.pages["/"] = Answer(b"\x89PNG\0", type="image/png")
        assert "binary content" in (await called(api)).text


@requirement("api:headers")
async def test_headers_may_hold_variables_and_the_requests_own_headers() -> None:
    """runtime.md §8.6: `${env.X}`, `${headers.NAME}` in any case; what is missing is empty."""
    page = computed(lambda heard: Answer(json.dumps(heard.headers)))
    headers = {
        "X-Env": "${env.KEY}",
        "Authorization": "Bearer ${headers.x_token || 'none'}",
        "X-Other": "${headers['X-Upstream']}|${headers.Missing}",
    }
    async with site({"/": page}) as web_site, calling(web_site, headers=headers) as api:
        assert api.scope == "run"
        incoming = {"X-UPSTREAM": "u\r\nInjected: 1", "x_token": "t"}
        sent = json.loads((await called(api, headers=incoming)).text)
        assert sent["x-env"] == "k1"
        assert sent["authorization"] == "Bearer t"
        assert sent["x-other"] == "uInjected: 1|"
        assert "injected" not in sent
        sent = json.loads((await called(api)).text)
        assert (sent["authorization"], sent["x-other"]) == ("Bearer none", "|")


@requirement("api:headers")
async def test_headers_stay_behind_when_a_redirect_leaves_the_host() -> None:
    """runtime.md §9.7, as for fetch."""
    page = computed(lambda heard: Answer(str("x-key" in heard.headers)))
    async with site({"/end": page}) as web_site:
        web_site.pages["/"] = redirect(f"http://other.test:{web_site.port}/end")
        async with calling(web_site, headers={"X-Key": "${env.KEY}"}) as api:
            assert api.scope == "team"
            assert (await called(api)).text == "False"


@requirement("api:limits")
async def test_private_addresses_and_long_waits_are_refused() -> None:
    """runtime.md §9.8: `allow_private_ips`, `timeout`."""
    async with site({"/": silent}) as web_site:
        config = {"endpoint": f"{web_site.url}/"}
        async with open_web() as web:
            with pytest.raises(ToolError, match="not a public address"):
                await called(Api(options(config), web, ENV.get))
        assert web_site.heard == []
        async with open_web(allow_private_ips=True) as web:
            with pytest.raises(ToolError, match="within 1 seconds"):
                await called(Api(options(config, timeout=1), web, ENV.get))


@requirement("api:tool")
async def test_the_tool_is_what_the_file_says() -> None:
    """runtime.md §9.8: name, description; R: read-only for GET alone."""
    async with site() as web_site:
        for method, read_only, destructive in (
            *(("GET", True, False), ("POST", False, False), ("DELETE", False, True)),
        ):
            config: dict[str, Any] = {"instruction": "Look it up.", "args": ARGS, "required": ["a"]}
            config["output_schema"] = {"type": "object"}
            async with calling(web_site, method=method, **config) as api:
                listing = await api.tools(around())
                (spec,) = listing.specs
                assert (spec.name, spec.description) == ("tool", "Look it up.")
                assert (spec.read_only, spec.destructive) == (read_only, destructive)
                assert spec.open_world
                assert spec.output_schema == {"type": "object"}
                assert spec.parameters == {
                    "type": "object",
                    "properties": ARGS,
                    "required": ["a"],
                }
                assert await api.tools(around()) is listing


@requirement("api:errors")
@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"name": "no name", "endpoint": "http://x"}, "api_config.name: 'no name' is no tool name"),
        ({"name": ""}, "api_config"),
        ({}, "api_config: the key 'endpoint' is missing"),
        ({"endpoint": "http://x", "method": "FETCH"}, "api_config.method: 'FETCH' is no method"),
        ({"endpoint": "http://x", "args": {"a": 1}}, "api_config.args.a: is a number"),
        ({"endpoint": "http://x", "required": ["a"]}, "api_config.required: 'a' is none of the"),
    ],
)
async def test_a_tool_that_cannot_be_called_stops_the_start(
    config: dict[str, Any], problem: str
) -> None:
    """STYLE.md, Errors: what was wrong, where, and what would be right."""
    async with open_web() as web:
        with pytest.raises(ConfigError) as refused:
            Api(options(config), web, ENV.get)
        assert problem in str(refused.value)
