"""TLS with a certificate of the test's own, and the proxies of the environment."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import pytest

from docker_agent.models.errors import HttpError
from docker_agent.models.http import open_http
from tests.models.peer import CERTIFICATE, Line, Peer, Request, always, answer, peer
from tests.models.test_http import HEAD, fetch
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of these tests has the proxies they set."""
    for name in (*PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test certificate as the only authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


@requirement("models:http:tls")
@pytest.mark.usefixtures("trusted")
async def test_a_trusted_peer_is_spoken_to_in_tls() -> None:
    """DESIGN.md §5: the same road over TLS; SSL_CERT_FILE names private authorities."""
    async with peer(always(answer(b"x" * 100_000)), tls=True) as server, open_http() as http:
        for url in (server.url, server.url, server.url.replace("127.0.0.1", "localhost")):
            assert await fetch(http, url) == (200, b"x" * 100_000)
        assert len(server.lines) == 2


@requirement("models:http:tls")
async def test_a_peer_nobody_trusts_gets_no_request() -> None:
    """DESIGN.md §5: the key must not leave for a stranger; another try does not help."""

    async def talk(line: Line) -> None:
        raise AssertionError(await line.request())

    async with peer(talk, tls=True) as server, open_http() as http:
        with pytest.raises(HttpError, match="TLS") as failed:
            await fetch(http, server.url)
    assert not failed.value.transient


@requirement("models:http:tls")
@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_host_is_refused() -> None:
    """DESIGN.md §5: 127.0.0.2 is none of the certificate's names."""
    async with peer(always(answer()), tls=True, host="127.0.0.2") as server, open_http() as http:
        with pytest.raises(HttpError, match="TLS"):
            await fetch(http, server.url)


@requirement("models:http:tls")
async def test_a_peer_that_speaks_no_tls_is_refused() -> None:
    """DESIGN.md §5: https means TLS."""

    async def talk(line: Line) -> None:
        await line.send(answer())

    async with peer(talk) as server, open_http() as http:
        with pytest.raises(HttpError, match="TLS"):
            await fetch(http, server.url.replace("http", "https"))


@requirement("models:http:tls")
@pytest.mark.usefixtures("trusted")
async def test_cancelling_closes_a_tls_connection_too() -> None:
    """models/port.py: the provider notices at once."""
    asked = anyio.Event()
    left = anyio.Event()

    async def talk(line: Line) -> None:
        await line.request()
        asked.set()
        await line.left()
        left.set()

    async with peer(talk, tls=True) as server, open_http() as http:
        task = asyncio.create_task(fetch(http, server.url))
        with anyio.fail_after(10):
            await asked.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await left.wait()


@requirement("models:http:proxy", "models:bedrock:signing")
async def test_an_address_that_is_escaped_goes_through_a_proxy_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """models/proxied.py: signatures of requests are made over the address."""
    heard: list[Request] = []

    async def proxy(line: Line) -> None:
        heard.append(await line.request())
        await line.send(answer(b"hello"))

    async with peer(proxy) as server:
        _set_proxies(monkeypatch, server)
        async with open_http() as http:
            with anyio.fail_after(10):
                url = "http://model.test/model/a%3A0%2Fb/x"
                async with http.post(url, {}, b"") as response:
                    assert await response.read() == b"hello"
    assert heard[0].line == "POST http://model.test/model/a%3A0%2Fb/x HTTP/1.1"


@requirement("models:http:proxy")
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_the_environments_proxy_carries_the_request(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """DESIGN.md §5: behind a proxy the request goes there with its whole address."""
    heard: list[Request] = []

    async def proxy(line: Line) -> None:
        while True:
            heard.append(await line.request())
            await line.send(answer(b"hello", "X-Via: proxy", status="201 Made"))

    async with peer(proxy) as server:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{server.port}")
        async with open_http() as http:
            for _ in range(2):
                with anyio.fail_after(10):
                    url = "http://model.test:81/v1/x?y=z"
                    async with http.post(url, {"X-Test": "1"}, b"body") as response:
                        assert response.status == 201
                        assert response.headers["x-via"] == "proxy"
                        assert await response.read() == b"hello"
                        assert await response.read() == b""
        assert len(server.lines) == 1
    assert heard[0].line == "POST http://model.test:81/v1/x?y=z HTTP/1.1"
    assert (heard[0].headers["host"], heard[0].headers["x-test"]) == ("model.test:81", "1")
    assert (heard[0].headers["accept-encoding"], heard[0].body) == ("identity", b"body")


@requirement("models:http:proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """DESIGN.md §5: a local model stays local, whatever the environment says."""
    async with peer(_refuse_all) as proxy, peer(always(answer())) as server:
        _set_proxies(monkeypatch, proxy)
        async with open_http() as http:
            assert await fetch(http, f"http://{host}:{server.port}/v1") == (200, b"ok")
        assert proxy.lines == []


@requirement("models:http:proxy")
async def test_hosts_that_need_no_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN.md §5: NO_PROXY counts. `127.1` is a name to us, and an address to the resolver."""
    async with peer(_refuse_all) as proxy, peer(always(answer())) as server:
        _set_proxies(monkeypatch, proxy)
        monkeypatch.setenv("NO_PROXY", "model.test,127.1")
        async with open_http() as http:
            assert await fetch(http, f"http://127.1:{server.port}/v1") == (200, b"ok")
        assert proxy.lines == []


@requirement("models:http:proxy")
async def test_an_https_request_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN.md §5: the proxy sees the host's name alone; the certificate is checked behind it."""
    asked: list[str] = []

    async def proxy(line: Line) -> None:
        asked.append((await line.request()).line)
        await line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            await asyncio.gather(_copy(line.reader, writer), _copy(reader, line.writer))
        finally:
            writer.close()

    async with peer(always(answer()), tls=True) as server, peer(proxy) as tunnel:
        _set_proxies(monkeypatch, tunnel)
        async with open_http() as http:
            with pytest.raises(HttpError, match="TLS") as failed:
                await fetch(http, "https://model.test/v1")
    assert not failed.value.transient
    assert asked == ["CONNECT model.test:443 HTTP/1.1"]


@requirement("models:http:proxy")
async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """models/proxied.py: the operator learns that the proxy said no."""
    async with peer(_refuse_all) as proxy:
        _set_proxies(monkeypatch, proxy)
        async with open_http() as http:
            with pytest.raises(HttpError, match=r"proxy refused .* \(403\)") as failed:
                await fetch(http, "https://model.test/v1")
    assert not failed.value.transient


@requirement("models:http:proxy")
async def test_what_goes_wrong_behind_a_proxy_is_told_like_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """models/http.py, Http: raises `HttpError`, cut and silent answers alike."""

    async def proxy(line: Line) -> None:
        request = await line.request()
        if "silent" in request.line:
            await line.left()
        elif "cut" in request.line:
            await line.send(HEAD + b"Content-Length: 9\r\n\r\nhello")

    async with peer(proxy) as server:
        _set_proxies(monkeypatch, server)
        async with open_http(idle_timeout=0.15) as http:
            for path, transient, stalled in (
                ("cut", True, False),
                ("gone", True, False),
                ("silent", False, True),
            ):
                with pytest.raises(HttpError) as failed:
                    await fetch(http, f"http://model.test/{path}")
                assert (failed.value.transient, failed.value.stalled) == (transient, stalled), path
            with pytest.raises(HttpError) as failed:
                async with http.post("http://model.test/", {"A": "b\r\nC: d"}, b""):
                    pass
            assert not failed.value.transient
    async with open_http() as http:  # the proxy is gone
        with pytest.raises(HttpError) as failed:
            await fetch(http, "http://model.test/")
    assert failed.value.transient


@requirement("models:http:proxy")
async def test_a_proxy_of_another_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN.md §8: what the operator asked for is not quietly left out."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    async with open_http() as http:
        with pytest.raises(HttpError) as failed:
            await fetch(http, "http://model.test/")
    assert not failed.value.transient


@requirement("models:http:proxy")
async def test_a_cancelled_request_leaves_the_proxy_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """models/port.py: cancellation closes the connection, behind a proxy too."""
    asked = anyio.Event()
    left = anyio.Event()

    async def proxy(line: Line) -> None:
        await line.request()
        await line.send(HEAD + b"Content-Length: 9\r\n\r\nhello")
        asked.set()
        await line.left()
        left.set()

    async with peer(proxy) as server:
        _set_proxies(monkeypatch, server)
        async with open_http() as http:
            task = asyncio.create_task(fetch(http, "http://model.test/v1"))
            with anyio.fail_after(10):
                await asked.wait()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                await left.wait()


def _set_proxies(monkeypatch: pytest.MonkeyPatch, proxy: Peer) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")


async def _refuse_all(line: Line) -> None:
    await line.request()
    await line.send(answer(b"no", status="403 Forbidden"))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
