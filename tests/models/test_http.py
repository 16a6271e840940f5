"""The HTTP client against a server of bare bytes: framing, broken answers, silence."""

from __future__ import annotations

import gzip
import zlib

import anyio
import pytest

from docker_agent.models.errors import HttpError
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http, Response
from tests.models.peer import Line, Request, answer, peer, saying
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"hello")

FRAMES: dict[str, tuple[bytes, int, bytes]] = {
    "length": (answer(b"hello"), 200, b"hello"),
    "length 0": (answer(b""), 200, b""),
    "chunks": (CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    "no chunk": (CHUNKED + b"0\r\n\r\n", 200, b""),
    "an extension and a trailer": (
        CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        200,
        b"hello",
    ),
    "until close": (HEAD + b"\r\nhello", 200, b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello"),
    "nothing until close": (HEAD + b"\r\n", 200, b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "no reason": (b"HTTP/1.1 429\r\nContent-Length: 2\r\n\r\nno", 429, b"no"),
    "a status nobody knows": (answer(b"x", status="599 Odd"), 599, b"x"),
    "a redirect": (answer(b"x", "Location: /other", status="307 There"), 307, b"x"),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello"), 200, b"hello"),
    "103 first": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"hello"),
        200,
        b"hello",
    ),
    "100 and 103 first": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n" + answer(b"hello"),
        200,
        b"hello",
    ),
    "gzip unasked": (answer(ZIPPED, "Content-Encoding: gzip"), 200, b"hello"),
    "gzip by its old name": (answer(ZIPPED, "content-encoding: X-GZip"), 200, b"hello"),
    "gzip in chunks": (
        HEAD
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED),
        200,
        b"hello",
    ),
    "deflate": (answer(zlib.compress(b"hello"), "Content-Encoding: deflate"), 200, b"hello"),
    "identity": (answer(b"hello", "Content-Encoding: identity"), 200, b"hello"),
}


@requirement("models:http:framing")
@pytest.mark.parametrize(("raw", "status", "body"), FRAMES.values(), ids=FRAMES.keys())
async def test_answers_end_as_http_says(raw: bytes, status: int, body: bytes) -> None:
    """DESIGN.md §5: length, chunks or the connection's end; interim answers are passed over."""
    async with peer(saying(raw)) as server, open_http() as http:
        assert await fetch(http, server.url) == (status, body)


@requirement("models:http:framing")
@pytest.mark.parametrize(("raw", "status", "body"), FRAMES.values(), ids=FRAMES.keys())
async def test_an_answer_may_be_cut_at_every_byte(raw: bytes, status: int, body: bytes) -> None:
    """DESIGN.md §5: a read of a socket ends anywhere, in the head too."""
    places = iter(range(1, len(raw)))

    async def talk(line: Line) -> None:
        await line.request()
        place = next(places)
        await line.send(raw[:place], raw[place:])

    async with peer(talk) as server, open_http() as http:
        for _ in range(1, len(raw)):
            assert await fetch(http, server.url) == (status, body)


@requirement("models:http:framing")
async def test_headers_are_known_by_their_lower_case_names() -> None:
    """models/http.py, Response: names in lower case, values as they came."""
    raw = answer(b"", "Content-TYPE: Text/Plain", "X-A:b", "x-latin: \xe9", "X-Empty:")
    async with (
        peer(saying(raw)) as server,
        open_http() as http,
        http.post(server.url, {}, b"") as response,
    ):
        assert response.headers["content-type"] == "Text/Plain"
        assert response.headers["x-a"] == "b"
        assert response.headers["x-empty"] == ""


@requirement("models:http:request")
async def test_a_request_says_what_it_must() -> None:
    """DESIGN.md §5: a POST of known length that asks for no compression (agent-file.md §3.10)."""
    heard: list[Request] = []

    async def talk(line: Line) -> None:
        heard.append(await line.request())
        await line.send(answer())

    async with peer(talk) as server, open_http() as http:
        await fetch(http, f"http://user:secret@127.0.0.1:{server.port}/a/b?c=d&e", b"body")
    [request] = heard
    assert request.line == "POST /a/b?c=d&e HTTP/1.1"
    assert request.body == b"body"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["x-test"] == "1"
    assert request.headers["user-agent"].startswith("docker-agent")
    assert "secret" not in str(request.headers)


BROKEN: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", b""),
    "only an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
    "short of its length": (HEAD + b"Content-Length: 9\r\n\r\nhello", b"hello"),
    "inside a chunk": (CHUNKED + b"9\r\nhello", b"hello"),
    "between chunks": (CHUNKED + b"5\r\nhello\r\n", b"hello"),
    "before the last line": (CHUNKED + b"5\r\nhello\r\n0\r\n", b"hello"),
}


@requirement("models:http:cut")
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("raw", "came"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_cut_answer_is_an_error_that_may_pass(raw: bytes, came: bytes, reset: bool) -> None:
    """agent-file.md §3.10: truncated streams are tried again; what came before is not lost."""
    sent = anyio.Event()
    gate = anyio.Event()

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(raw)
        sent.set()
        if came:
            await gate.wait()
        if reset:
            line.reset()

    body = b""
    async with peer(talk) as server, open_http() as http:
        with pytest.raises(HttpError) as failed, anyio.fail_after(10):
            async with http.post(server.url, {}, b"{}") as response:
                if came:
                    body = await response.read()
                    gate.set()
                body += await read_all(response)
        assert len(server.lines) == 1
    assert (body, failed.value.transient, failed.value.stalled) == (came, True, False)


@requirement("models:http:cut")
async def test_an_answer_until_close_that_is_reset_was_cut() -> None:
    """agent-file.md §3.10: only a clean end is an end."""
    gate = anyio.Event()

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(HEAD + b"\r\nhello")
        await gate.wait()
        line.reset()

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(HttpError) as failed, anyio.fail_after(10):
            async with http.post(server.url, {}, b"{}") as response:
                assert await response.read() == b"hello"
                gate.set()
                await read_all(response)
    assert failed.value.transient


MALFORMED: dict[str, bytes] = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTML alone": b"<html>\r\n\r\n",
    "no number": b"HTTP/1.1 two hundred\r\n\r\n",
    "a header without colon": HEAD + b"nonsense\r\n\r\n",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "switched": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"zz\r\nhello\r\n",
    "no gzip": answer(b"plain", "Content-Encoding: gzip"),
    "half a megabyte of head": HEAD + b"X: " + b"x" * (1 << 19) + b"\r\n\r\n",
    "a head of many headers": HEAD + b"X-Y: zzzzzzzzzzzzzzzzzz\r\n" * 20_000,
    "a head without end": b"HTTP/1.1 200 " + b"O" * (1 << 19),
}


@requirement("models:http:malformed")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_http_is_refused_at_once(raw: bytes) -> None:
    """DESIGN.md §5: no other try helps; the connection is closed, however much would still come."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(raw)
        await line.left()

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(HttpError) as failed:
            await fetch(http, server.url)
        assert not failed.value.transient
        assert len(server.lines) == 1


@requirement("models:http:request")
@pytest.mark.parametrize(
    "headers",
    [
        {"A": "b\r\nC: d"},
        {"A": "b\nC"},
        {"A": "b\r"},
        {"A\r\nB": "c"},
        {"A\n": "c"},
        {"A": "\u20ac"},
    ],
)
async def test_headers_that_http_cannot_carry_are_refused(headers: dict[str, str]) -> None:
    """agent-file.md §3.2.1: nobody slips a second header or request in."""

    async def talk(line: Line) -> None:
        raise AssertionError((await line.reader.read(1000)).decode())

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(HttpError) as failed:
            async with http.post(server.url, headers, b""):
                pass
    assert not failed.value.transient


@requirement("models:http:address")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://127.0.0.1/v1",
        "http:///v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:port/v1",
        "http://[::1/v1",
        f"http://{'a' * 64}.localhost/v1",
        "http://a..localhost/v1",
    ],
)
async def test_what_is_no_address_is_an_error_of_ours(url: str) -> None:
    """models/http.py, Http: raises `HttpError` when no answer came."""
    async with open_http() as http:
        with pytest.raises(HttpError) as failed:
            await fetch(http, url)
    assert not failed.value.transient


@requirement("models:http:address")
async def test_nobody_at_home_may_pass() -> None:
    """agent-file.md §3.10: a refused connection is tried again."""
    async with peer(saying(answer())) as server:
        pass
    async with open_http() as http:
        with pytest.raises(HttpError, match="refused") as failed:
            await fetch(http, server.url)
    assert failed.value.transient


@requirement("models:http:stalled")
@pytest.mark.parametrize("said", [b"", HEAD, CHUNKED, CHUNKED + b"5\r\nhello\r\n"])
async def test_a_peer_that_falls_silent_has_stalled(said: bytes) -> None:
    """runtime.md §3.8: no bytes for the idle time; not tried again on the same model."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(said)
        await line.left()

    async with peer(talk) as server, open_http(idle_timeout=0.15) as http:
        with pytest.raises(HttpError, match="no data received from upstream") as failed:
            await fetch(http, server.url)
        assert (failed.value.stalled, failed.value.transient) == (True, False)
        assert len(server.lines) == 1


async def fetch(http: Http, url: str, body: bytes = b"{}") -> tuple[int, bytes]:
    """Status and whole body of one POST."""
    with anyio.fail_after(10):
        async with http.post(url, {"X-Test": "1"}, body) as response:
            return response.status, await read_all(response)


async def read_all(response: Response) -> bytes:
    """The body to its end."""
    body = b""
    while piece := await response.read():
        body += piece
    return body
