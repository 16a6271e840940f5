"""The guarded way to the web: addresses, redirects, limits."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from docker_agent.errors import ToolError
from docker_agent.registry.guard import Resolve
from docker_agent.tools.web import Request, Web, merged, open_web
from docker_agent.tools.web_session import Reply
from tests.requirements import requirement
from tests.tools.web_server import (
    PATIENCE,
    STREAM_HEAD,
    Answer,
    Heard,
    Stream,
    broken,
    endless,
    everywhere,
    packed_zeros,
    redirect,
    silent,
    site,
)

pytestmark = pytest.mark.anyio

KEY = {"Authorization": "Bearer secret", "X-Key": "k"}


@asynccontextmanager
async def unguarded(*hosts: str) -> AsyncGenerator[Web]:
    """A way that may go to private addresses; `hosts` are all this machine."""
    async with open_web(allow_private_ips=True, resolve=everywhere(*hosts)) as web:
        yield web


def looking_up(*addresses: str) -> Resolve:
    """A name service that answers every name with these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def ask(url: str, **more: object) -> Request:
    """A request that does not wait longer than a test may."""
    return Request(url, **{"timeout": PATIENCE, **more})  # pyright: ignore[reportArgumentType] - its fields


REFUSED = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/",
    "http:///127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://\t127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "127.0.0.1:{port}",
    "",
]


@requirement("web:guard:spellings")
@pytest.mark.parametrize("url", REFUSED)
async def test_no_spelling_of_a_private_address_gets_through(url: str) -> None:
    """runtime.md §9.7, SSRF: literal addresses, decimal, hex, user names that look like hosts."""
    async with site({"/": Answer("inside")}) as inside, open_web() as web:
        with pytest.raises(ToolError):
            await web.send(ask(url.format(port=inside.port)))
        assert inside.heard == []


@requirement("web:guard:names")
@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]]
)
async def test_a_name_that_leads_to_a_private_address_is_refused(addresses: list[str]) -> None:
    """runtime.md §9.7, SSRF: the address is checked after the name was looked up."""
    async with site({"/": Answer("inside")}) as inside:
        async with open_web(resolve=looking_up(*addresses)) as web:
            with pytest.raises(ToolError, match=r"x\.test leads to an address that is not public"):
                await web.send(ask(f"http://x.test:{inside.port}/"))
        assert inside.heard == []


@requirement("web:guard:names")
async def test_the_real_localhost_is_refused() -> None:
    """runtime.md §9.7, SSRF: by the system's own name service."""
    async with site({"/": Answer("inside")}) as inside, open_web() as web:
        with pytest.raises(ToolError, match="not public"):
            await web.send(ask(f"http://localhost:{inside.port}/"))
        assert inside.heard == []


@requirement("web:guard:connect")
async def test_the_address_is_judged_again_when_the_socket_is_made() -> None:
    """runtime.md §9.7: at connect time, whatever the look-up let through."""
    verdicts = iter([True])
    async with site({"/": Answer("inside")}) as inside:
        async with open_web(
            resolve=looking_up("127.0.0.1"), public=lambda _: next(verdicts, False)
        ) as web:
            with pytest.raises(ToolError, match=r"127\.0\.0\.1 is not a public address"):
                await web.send(ask(f"http://x.test:{inside.port}/"))
        assert inside.heard == []


@requirement("web:guard:redirects")
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/secret",
        "http://[::1]:{port}/",
        "//0x7f.1:{port}/",
        "http://inside.test:{port}/",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_to_a_private_address_is_refused(target: str) -> None:
    """runtime.md §9.7, SSRF: each step is checked anew. 127.0.0.1 plays the internet here."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1" if host == "public.test" else "127.0.0.2"]

    async with site() as outside:
        outside.pages["/"] = redirect(target.format(port=outside.port))
        async with open_web(resolve=resolve, public=lambda ip: ip == "127.0.0.1") as web:
            with pytest.raises(ToolError, match=r"not (a )?public|no host|only http"):
                await web.send(ask(f"http://public.test:{outside.port}/"))
        assert [heard.path for heard in outside.heard] == ["/"]


@requirement("web:guard:allowed")
async def test_private_addresses_can_be_allowed() -> None:
    """runtime.md §8.3, `allow_private_ips`."""
    async with site({"/": Answer("inside")}) as inside, unguarded("x.test") as web:
        for host in ("127.0.0.1", "x.test", "X.TEST."):
            reply = await web.send(ask(f"http://{host}:{inside.port}/"))
            assert (reply.status, reply.body) == (200, b"inside")
        with pytest.raises(ToolError, match=r"y\.test is not known"):
            await web.send(ask(f"http://y.test:{inside.port}/"))


@requirement("web:guard:proxies")
async def test_guarded_requests_pass_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime.md §9.7, SSRF: a proxy looks names up itself, out of the guard's sight."""
    async with site({"/": Answer("direct")}) as outside, site() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        url = f"http://x.test:{outside.port}/"
        async with open_web(resolve=everywhere("x.test"), public=lambda _: True) as web:
            assert (await web.send(ask(url))).body == b"direct"
        assert proxy.heard == []
        async with unguarded("x.test") as web:
            assert (await web.send(ask(url))).status == 404
        assert [heard.target for heard in proxy.heard] == [url]


@requirement("web:redirects:steps")
async def test_redirects_are_followed_to_the_end() -> None:
    """runtime.md §9.7: at most 10."""
    async with site() as web_site, unguarded() as web:
        for step in range(12):
            web_site.pages[f"/{step}"] = redirect(f"{step + 1}?q=a%26b#part")
        web_site.pages["/12"] = Answer("there")
        reply = await web.send(ask(f"{web_site.url}/2"))
        assert (reply.body, reply.url) == (b"there", f"{web_site.url}/12?q=a%26b#part")
        assert web_site.heard[-1].target == "/12?q=a%26b"
        with pytest.raises(ToolError, match="more than 10 redirects"):
            await web.send(ask(f"{web_site.url}/1"))


@requirement("web:redirects:headers")
async def test_headers_stay_behind_when_the_host_changes() -> None:
    """runtime.md §9.7: configured headers are dropped, and do not come back."""
    async with site() as web_site, unguarded("a.test", "b.test", "sub.a.test") as web:
        a, port = f"http://a.test:{web_site.port}", web_site.port
        web_site.pages |= {
            "/near": redirect("/end"),
            "/away": redirect(f"http://b.test:{port}/end"),
            "/below": redirect(f"http://sub.a.test:{port}/end"),
            "/round": redirect(f"http://b.test:{port}/back"),
            "/back": redirect(f"{a}/end"),
            "/end": Answer("end"),
        }
        kept: dict[str, bool] = {}
        for path in ("/near", "/away", "/below", "/round"):
            await web.send(ask(a + path, headers=KEY, plain={"Accept": "x/y"}))
            last = web_site.heard[-1].headers
            kept[path] = last.get("authorization") == KEY["Authorization"]
            assert (last.get("x-key") == "k") is kept[path]
            assert last["accept"] == "x/y"
        assert kept == {"/near": True, "/away": False, "/below": False, "/round": False}


@requirement("web:redirects:headers")
async def test_headers_stay_behind_when_the_port_changes() -> None:
    """runtime.md §9.7: another port is another server."""
    async with site() as first, site({"/": Answer("x")}) as second, unguarded() as web:
        first.pages["/"] = redirect(second.url + "/")
        await web.send(ask(first.url + "/", headers=KEY))
        assert "authorization" in first.heard[0].headers
        assert "authorization" not in second.heard[0].headers


@requirement("web:redirects:methods")
@pytest.mark.parametrize(
    ("status", "method"),
    [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")],
)
async def test_a_redirected_post_becomes_what_the_status_says(status: int, method: str) -> None:
    """RFC 9110 §15.4."""
    async with site({"/end": Answer("end")}) as web_site, unguarded() as web:
        web_site.pages["/"] = redirect("/end", status)
        json = {"Content-Type": "application/json"}
        await web.send(ask(web_site.url + "/", method="POST", body=b"{}", plain=json))
        last = web_site.heard[-1]
        assert (last.method, last.body) == (method, b"{}" if method == "POST" else b"")
        assert ("json" in last.headers.get("content-type", "")) == (method == "POST")


@requirement("web:limits:size")
async def test_an_answer_is_read_up_to_its_limit() -> None:
    """runtime.md §5.7: also one that has no end, and one that unpacks to more than was sent."""
    pages = {"/zeros": packed_zeros(50_000_000), "/endless": endless, "/fits": Answer("x" * 1000)}
    async with site(pages) as web_site, unguarded() as web:
        for path, cut in (("/zeros", True), ("/endless", True), ("/fits", False)):
            reply = await web.send(ask(web_site.url + path, limit=1000))
            assert (len(reply.body), reply.cut) == (1000, cut), path


@requirement("web:limits:packed")
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw", "identity", "GZIP"])
async def test_packed_answers_are_unpacked(coding: str) -> None:
    """RFC 9110 §8.4: the codings that requests say they take."""
    plain = b"hello " * 1000
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "deflate": zlib.compress(plain),
        "raw": raw.compress(plain) + raw.flush(),
        "identity": plain,
    }
    body = bodies.get(coding, gzip.compress(plain[:600]) + gzip.compress(plain[600:]))
    named = "deflate" if coding == "raw" else coding
    page = Answer(body, headers={"content-encoding": named})
    async with site({"/": page}) as web_site, unguarded() as web:
        reply = await web.send(ask(web_site.url + "/"))
        assert (reply.body, reply.cut) == (plain, False)
        assert web_site.heard[0].headers["accept-encoding"] == "gzip, deflate"


@requirement("web:limits:packed")
@pytest.mark.parametrize(
    ("coding", "problem"), [("br", "packed as 'br'"), ("gzip", "broken"), ("deflate", "broken")]
)
async def test_what_cannot_be_unpacked_is_an_error(coding: str, problem: str) -> None:
    """RFC 9110 §8.4."""
    page = Answer(b"\x1f\x8bno such thing", headers={"content-encoding": coding})
    async with site({"/": page}) as web_site, unguarded() as web:
        with pytest.raises(ToolError, match=problem):
            await web.send(ask(web_site.url + "/"))


@requirement("web:limits:time")
async def test_a_silent_server_is_left() -> None:
    """runtime.md §8.3, `timeout`."""
    async with site({"/": silent}) as web_site, unguarded() as web:
        with pytest.raises(ToolError, match=r"no complete answer within 0\.2 seconds"):
            await web.send(ask(web_site.url + "/", timeout=0.2))


@asynccontextmanager
async def no_tls() -> AsyncGenerator[int]:
    """The port of a server that answers a TLS greeting with something else."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"what?\r\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@requirement("web:errors")
async def test_failures_are_said_in_words() -> None:
    """STYLE.md, Errors: what a model can act on."""
    async with site({"/": broken}) as web_site, unguarded() as web:
        with pytest.raises(ToolError, match="broke before the answer was complete"):
            await web.send(ask(web_site.url + "/"))
        async with no_tls() as port:
            with pytest.raises(ToolError, match="no TLS connection"):
                await web.send(ask(f"https://127.0.0.1:{port}/"))
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(ToolError, match="refused the connection"):
                await web.send(ask(f"http://127.0.0.1:{unused.getsockname()[1]}/"))


@requirement("web:cookies")
async def test_no_cookie_of_one_caller_reaches_another() -> None:
    """runtime.md §1.3: the way is shared by all users of a team."""
    page = Answer("x", headers={"set-cookie": "session=secret; Path=/"})
    async with site({"/": page}) as web_site, unguarded() as web:
        for _ in range(2):
            await web.send(ask(web_site.url + "/"))
        assert [heard.headers.get("cookie") for heard in web_site.heard] == [None, None]


@requirement("web:credentials")
async def test_a_name_and_password_in_the_address_are_sent_as_such() -> None:
    """RFC 3986 §3.2.1; the agent file's own headers win."""
    async with site({"/": Answer("x")}) as web_site, unguarded() as web:
        url = web_site.url.replace("//", "//user:pass%20word@") + "/"
        await web.send(ask(url))
        await web.send(ask(url, headers=KEY))
        sent = [heard.headers["authorization"] for heard in web_site.heard]
        assert sent == ["Basic dXNlcjpwYXNzIHdvcmQ=", KEY["Authorization"]]


@requirement("web:credentials")
async def test_the_operators_netrc_is_not_for_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §9.7: a host that a model chooses gets no password of this machine."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login operator password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with site({"/": Answer("x")}) as web_site, unguarded() as web:
        await web.send(ask(web_site.url + "/"))
        assert "authorization" not in web_site.heard[0].headers


@requirement("web:credentials")
def test_of_two_headers_of_one_name_the_last_wins() -> None:
    """RFC 9110 §5.1: their case does not count."""
    assert merged({"Accept": "a", "X": "1"}, {"ACCEPT": "b"}) == {"ACCEPT": "b", "X": "1"}


@requirement("web:events")
async def test_a_stream_of_events_is_heard_as_it_comes_and_closed_at_once() -> None:
    """DESIGN.md §8: cancellation frees what was opened; here whoever hears has had enough."""
    page = Stream(b"one", b"two")
    heard = bytearray()

    async def hear(piece: bytes) -> None:
        heard.extend(piece)
        if b"two" in heard:
            raise ToolError("enough")

    async with site({"/": page}) as web_site, unguarded() as web, asyncio.timeout(PATIENCE):
        with pytest.raises(ToolError, match="enough"):
            await web.send(ask(f"{web_site.url}/", events=hear))
        assert heard.startswith(b"data: one\n\ndata: two\n\n")
        await page.gone.wait()


@requirement("web:events")
async def test_a_stream_of_events_keeps_to_the_limits() -> None:
    """runtime.md §5.7, §8.3: size and time hold for what is heard too; other answers have a
    body."""
    heard = bytearray()

    async def hear(piece: bytes) -> None:
        heard.extend(piece)

    async def flood(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while True:
            writer.write(b"data: x\n\n" * 1000)
            await writer.drain()

    pages = {"/flood": flood, "/slow": Stream(), "/plain": Answer("plain"), "/to": redirect("/evt")}
    packed = gzip.compress(b"data: " + b"0" * 10_000_000)
    headers = {"content-encoding": "gzip"}
    pages["/packed"] = Answer(packed, type="text/event-stream", headers=headers)
    pages["/evt"] = Answer("data: x\n\n", type="text/event-stream; charset=utf-8")
    async with site(pages) as web_site, unguarded() as web, asyncio.timeout(PATIENCE):

        async def send(path: str, **more: object) -> Reply:
            heard.clear()
            return await web.send(ask(f"{web_site.url}{path}", events=hear, **more))

        for path in ("/flood", "/packed"):
            assert (await send(path, limit=50_000)).cut and len(heard) == 50_000
        with pytest.raises(ToolError, match=r"no complete answer within 0\.2 seconds"):
            await send("/slow", timeout=0.2)
        reply = await send("/plain")
        assert (reply.body, heard) == (b"plain", b"")
        reply = await send("/to")
        assert (reply.body, reply.cut, heard) == (b"", False, b"data: x\n\n")


@requirement("web:events")
async def test_a_stream_of_events_comes_from_no_private_address() -> None:
    """runtime.md §9.7: the guard stands at the socket, whatever is asked for."""

    async def hear(piece: bytes) -> None:
        raise AssertionError("nothing may be heard")

    async with site({"/": Stream(b"one")}) as web_site, open_web() as web:
        with pytest.raises(ToolError, match="not a public address"):
            await web.send(ask(f"{web_site.url}/", events=hear))
        assert web_site.heard == []
