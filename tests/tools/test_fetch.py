"""The fetch toolset, against a small web on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.fetch import MAX_URLS, PARALLEL, Fetch, FetchOptions
from docker_agent.tools.web import MAX_BODY, open_web
from tests.requirements import requirement
from tests.tools.surroundings import around, context
from tests.tools.web_server import (
    PATIENCE,
    Answer,
    Heard,
    computed,
    endless,
    everywhere,
    html,
    packed_zeros,
    redirect,
    silent,
    site,
)

pytestmark = pytest.mark.anyio

HOSTS = ("a.test", "www.a.test", "b.test")


@asynccontextmanager
async def fetching(
    options: FetchOptions = FetchOptions(),  # noqa: B008 - a frozen value
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[Fetch]:
    """The toolset, allowed to reach this machine, which is also all of `HOSTS`."""
    async with open_web(allow_private_ips=True, resolve=everywhere(*HOSTS)) as web:
        yield Fetch(options, web, headers or {})


async def fetched(fetch: Fetch, *urls: str, format: str = "text", **more: Any) -> ToolResult:  # noqa: ANN401 - arguments
    """What one call answers."""
    async with asyncio.timeout(PATIENCE):
        return await fetch.call("fetch", {"urls": [*urls], "format": format, **more}, context())


@requirement("fetch:one")
async def test_one_page_is_told_with_its_status_and_length() -> None:
    """runtime.md §9.7: the result of one URL, exactly."""
    async with site({"/": Answer("héllo")}) as web_site, fetching() as fetch:
        url = f"{web_site.url}/"
        result = await fetched(fetch, url)
        assert not result.is_error
        assert result.text == (
            f"Successfully fetched {url} (Status: 200, Length: 6 bytes):\n\nhéllo"
        )


@requirement("fetch:one")
async def test_any_status_is_a_success() -> None:
    """runtime.md §9.7, HTTP status."""
    async with site({"/": Answer("gone", 410)}) as web_site, fetching() as fetch:
        result = await fetched(fetch, f"{web_site.url}/")
        assert "(Status: 410, Length: 4 bytes):\n\ngone" in result.text
        assert not result.is_error


@requirement("fetch:one")
async def test_a_page_that_cannot_be_fetched_is_an_error() -> None:
    """runtime.md §9.7: `Error fetching <url>: <e>`."""
    async with fetching() as fetch:
        result = await fetched(fetch, "http://nowhere.test/")
        assert result.is_error
        assert result.text == (
            "Error fetching http://nowhere.test/: the host nowhere.test is not known"
        )


@requirement("fetch:many")
async def test_several_pages_are_a_list_in_their_order() -> None:
    """runtime.md §9.7: many URLs; one that fails does not take the others along."""
    async with site({"/a": Answer("A"), "/b": html("<p>B")}) as web_site, fetching() as fetch:
        urls = [f"{web_site.url}/a", "ftp://x.test/", f"{web_site.url}/b", f"{web_site.url}/no"]
        result = await fetched(fetch, *urls)
        assert not result.is_error
        found = json.loads(result.text)
        assert [page["url"] for page in found] == urls
        assert found[0] == {
            "url": urls[0],
            "statusCode": 200,
            "status": "200 Word",
            "contentType": "text/plain; charset=utf-8",
            "contentLength": 1,
            "body": "A",
        }
        assert found[1] == {
            "url": urls[1],
            "error": "only http and https addresses are possible, not 'ftp:'",
        }
        assert (found[2]["body"], found[3]["statusCode"]) == ("B", 404)


@requirement("fetch:many")
async def test_a_few_pages_are_fetched_at_once() -> None:
    """runtime.md §9.7, R: parallel, at most 5."""
    arrived = asyncio.Semaphore(0)
    go = asyncio.Event()
    waiting: list[int] = []

    async def held(heard: Heard, writer: asyncio.StreamWriter) -> None:
        waiting.append(1)
        arrived.release()
        await go.wait()
        waiting.pop()
        writer.write(Answer("x").encoded())
        await writer.drain()

    pages = {f"/{number}": held for number in range(PARALLEL + 3)}
    async with site(pages) as web_site, fetching() as fetch, asyncio.timeout(PATIENCE):
        task = asyncio.create_task(fetched(fetch, *(web_site.url + path for path in pages)))
        for _ in range(PARALLEL):
            await arrived.acquire()
        assert len(waiting) == PARALLEL
        go.set()
        assert len(json.loads((await task).text)) == PARALLEL + 3


@requirement("fetch:many")
async def test_all_pages_of_a_call_have_one_limit() -> None:
    """runtime.md §9.7, R: a total cap."""
    async with site({"/": endless}) as web_site, fetching() as fetch:
        urls = [f"{web_site.url}/?{number}" for number in range(12)]
        found = json.loads((await fetched(fetch, *urls)).text)
        assert found[0]["contentLength"] == MAX_BODY
        assert sum(page.get("contentLength", 0) for page in found) <= 9 * MAX_BODY
        assert "left out" in found[-1]["error"]
        with pytest.raises(ToolError, match="`urls`"):
            await fetched(fetch, *urls * MAX_URLS)


@requirement("fetch:formats")
@pytest.mark.parametrize(
    ("format", "body", "accept"),
    [
        ("markdown", "# Hi\n\n[on](http://{host}/on)", "text/markdown"),
        ("text", "Hi\n\non", "text/plain"),
        ("html", "<h1>Hi</h1><a href=/on>on</a>", "text/html"),
    ],
)
async def test_a_web_page_comes_in_the_wanted_format(format: str, body: str, accept: str) -> None:
    """runtime.md §9.7, Accept and body."""
    async with site({"/": html("<h1>Hi</h1><a href=/on>on</a>")}) as web_site:
        async with fetching() as fetch:
            result = await fetched(fetch, f"{web_site.url}/", format=format)
        text = body.format(host=web_site.url.removeprefix("http://"))
        assert result.text.endswith(f"\n\n{text}")
        (heard,) = web_site.asked("/")
        assert heard.headers["accept"].startswith(accept)


@requirement("fetch:formats")
async def test_what_is_no_web_page_stays_as_it_is() -> None:
    """runtime.md §9.7, body: only HTML is converted."""
    pages = {
        "/json": Answer('{"a": "<b>"}', type="application/json"),
        "/wrong": Answer("<p>f\xfcr</p>".encode("latin-1"), type="text/html; charset=utf-8"),
        "/png": Answer(b"\x89PNG\0\0", type="image/png"),
        "/none": Answer("<html><p>untyped</p></html>", type=""),
    }
    async with site(pages) as web_site, fetching() as fetch:
        found = json.loads((await fetched(fetch, *(web_site.url + path for path in pages))).text)
        assert [page["body"] for page in found] == [
            '{"a": "<b>"}',
            "f\ufffdr",
            "[binary content of type image/png, not shown]",
            "untyped",
        ]


@requirement("fetch:limits")
async def test_a_page_is_read_up_to_a_mebibyte() -> None:
    """runtime.md §5.7: also one that unpacks to a thousand times its size."""
    pages = {"/bomb": packed_zeros(100 * MAX_BODY), "/endless": endless}
    async with site(pages) as web_site, fetching() as fetch:
        for path in pages:
            result = await fetched(fetch, web_site.url + path)
            assert f"Length: {MAX_BODY} bytes" in result.text
            assert result.text.endswith(f"[cut after {MAX_BODY} bytes]")
            assert len(result.text) < MAX_BODY + 300


@requirement("fetch:limits")
async def test_the_wait_is_as_long_as_was_asked_for() -> None:
    """runtime.md §9.7: `timeout` 1 to 300 of the call, else of the file."""
    async with site({"/": silent, "/robots.txt": Answer("")}) as web_site, fetching() as fetch:
        result = await fetched(fetch, f"{web_site.url}/", timeout=1)
        assert result.is_error and "no complete answer within 1 seconds" in result.text
        for wrong in (0, 301):
            with pytest.raises(ToolError, match="`timeout`"):
                await fetched(fetch, f"{web_site.url}/", timeout=wrong)


@requirement("fetch:arguments")
async def test_slips_of_a_model_are_repaired() -> None:
    """runtime.md §5.4: one address where a list belongs, a list as text."""
    async with site({"/": Answer("x")}) as web_site, fetching() as fetch:
        for urls in (f"{web_site.url}/", json.dumps([f"{web_site.url}/"])):
            result = await fetch.call("fetch", {"urls": urls, "format": "text"}, context())
            assert not result.is_error
        wrongs: list[dict[str, Any]] = [{"urls": []}, {"urls": ["x"], "format": "pdf"}, {}]
        for wrong in wrongs:
            with pytest.raises(ToolError, match="argument"):
                await fetch.call("fetch", {"format": "text", **wrong}, context())


@requirement("fetch:arguments")
async def test_fetch_reads_only_and_goes_outside() -> None:
    """runtime.md §9.7, R: read-only and open-world hints."""
    async with fetching(FetchOptions(allowed_domains=("a.test", "10.0.0.0/8"))) as fetch:
        listing = await fetch.tools(around())
        (spec,) = listing.specs
        assert (spec.name, spec.read_only, spec.open_world) == ("fetch", True, True)
        assert spec.parameters["required"] == ["urls", "format"]
        assert spec.category == "fetch"
        assert "a.test, 10.0.0.0/8" in listing.instructions
        assert await fetch.tools(around()) is listing
    async with fetching(FetchOptions(blocked_domains=("b.test",))) as fetch:
        assert "b.test" in (await fetch.tools(around())).instructions


@requirement("fetch:domains")
async def test_only_allowed_domains_are_fetched() -> None:
    """runtime.md §9.7, domain match: checked again at each redirect."""
    pages = {"/": Answer("x"), "/away": redirect("/"), "/out": Answer("")}
    async with site(pages) as web_site:
        port = web_site.port
        web_site.pages["/away"] = redirect(f"http://b.test:{port}/")
        async with fetching(FetchOptions(allowed_domains=("a.test", "127.0.0.0/8"))) as fetch:
            for host in ("a.test", "www.A.test.", "127.0.0.1"):
                assert not (await fetched(fetch, f"http://{host}:{port}/")).is_error
            for url in (f"http://b.test:{port}/", f"http://a.test:{port}/away"):
                result = await fetched(fetch, url)
                assert result.is_error
                assert "the host b.test is not one of the allowed domains" in result.text
        hosts = {heard.headers["host"] for heard in web_site.heard}
        assert f"b.test:{port}" not in hosts


@requirement("fetch:domains")
async def test_blocked_domains_are_not_fetched() -> None:
    """runtime.md §9.7, domain match: `.a.test` means its subdomains only."""
    async with site({"/": Answer("x")}) as web_site:
        async with fetching(FetchOptions(blocked_domains=(".a.test", "127.0.0.0/8"))) as fetch:
            refused = {
                host: (await fetched(fetch, f"http://{host}:{web_site.port}/")).is_error
                for host in ("a.test", "b.test", "www.a.test", "127.0.0.1", "[::ffff:127.0.0.1]")
            }
        assert [host for host in refused if refused[host]] == [
            "www.a.test",
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
        ]


@requirement("fetch:private")
async def test_private_addresses_are_refused_unless_allowed() -> None:
    """runtime.md §9.7, SSRF."""
    async with site({"/": Answer("inside")}) as web_site, open_web() as web:
        fetch = Fetch(FetchOptions(), web, {})
        result = await fetched(fetch, f"{web_site.url}/")
        assert result.is_error and "not a public address" in result.text
        assert web_site.heard == []


@requirement("fetch:robots")
async def test_a_site_may_forbid_pages() -> None:
    """runtime.md §9.7, robots.txt: read once for each site and call, with the same headers."""
    robots = Answer("User-agent: *\nDisallow: /private\nUser-agent: docker-agent\nDisallow: /no")
    pages = {"/robots.txt": robots, "/private": Answer("p"), "/yes": Answer("y")}
    async with site(pages) as web_site, fetching(headers={"X-Key": "k"}) as fetch:
        urls = [f"{web_site.url}{path}" for path in ("/private", "/no/way", "/yes")]
        found = json.loads((await fetched(fetch, *urls)).text)
        assert [page.get("error") for page in found] == [None, "URL blocked by robots.txt", None]
        assert [heard.headers["x-key"] for heard in web_site.heard] == ["k"] * 3
        assert len(web_site.asked("/robots.txt")) == 1
        assert "docker-agent" in web_site.heard[0].headers["user-agent"]
        await fetched(fetch, urls[2])
        assert len(web_site.asked("/robots.txt")) == 2


@requirement("fetch:robots")
@pytest.mark.parametrize(
    ("status", "problem"),
    [
        *((404, None), (403, None), (429, None)),
        (500, "robots.txt check failed: unexpected status 500"),
        (503, "robots.txt check failed: unexpected status 503"),
    ],
)
async def test_a_site_without_robots_txt_allows_all(status: int, problem: str | None) -> None:
    """runtime.md §9.7, R: RFC 9309: 4xx is allowed, 5xx disallowed."""
    pages = {"/robots.txt": Answer("User-agent: *\nDisallow: /", status), "/": Answer("x")}
    async with site(pages) as web_site, fetching() as fetch:
        result = await fetched(fetch, f"{web_site.url}/")
        assert result.is_error is (problem is not None)
        assert (problem or "Status: 200") in result.text
        assert len(web_site.asked("/")) == (0 if problem else 1)


@requirement("fetch:robots")
async def test_the_target_of_a_redirect_is_asked_as_well() -> None:
    """runtime.md §9.7: robots.txt is the word of the site that has the page."""
    async with site({"/robots.txt": Answer("User-agent: *\nDisallow: /")}) as second:
        async with site({"/": redirect(f"{second.url}/x")}) as first, fetching() as fetch:
            result = await fetched(fetch, f"{first.url}/")
        assert "URL blocked by robots.txt" in result.text
        assert second.asked("/x") == []


@requirement("fetch:headers")
async def test_configured_headers_are_sent_and_win() -> None:
    """runtime.md §9.7, headers."""
    page = computed(
        lambda heard: Answer(f"{heard.headers['accept']} {heard.headers['user-agent']}")
    )
    async with site({"/": page}) as web_site:
        async with fetching(headers={"accept": "x/y", "User-Agent": "me"}) as fetch:
            result = await fetched(fetch, f"{web_site.url}/")
        assert result.text.endswith("\n\nx/y me")
