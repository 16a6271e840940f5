"""Remote MCP servers: both transports, both protocols, and the guard of addresses. Source:
runtime.md §10."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from starlette.types import Receive, Scope, Send

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.life import End, StartError
from docker_agent.tools.mcp.connect import Remote, connect_remote
from docker_agent.tools.mcp.options import Address
from docker_agent.tools.port import Around, CallContext
from tests.requirements import requirement
from tests.tools.mcp import sdk_server
from tests.tools.mcp.opening import LIMIT, names, opened, opened_any, text, value
from tests.tools.mcp.serving import CERTIFICATE, Door, served, served_at
from tests.tools.surroundings import around, context
from tests.tools.web_server import Answer, computed, site

pytestmark = pytest.mark.anyio


def streamable(*, old: bool = False, **keys: Any) -> Door:  # noqa: ANN401 - as the SDK has them
    """A server with streamable HTTP."""
    return Door(sdk_server.plain().streamable_http_app(**keys), old=old)


def remote(url: str, *, private: bool = True, **keys: Any) -> dict[str, Any]:  # noqa: ANN401
    """The keys of a `remote` entry."""
    found: dict[str, Any] = {"remote": {"url": url, **keys}}
    return {**found, "allow_private_ips": True} if private else found


@requirement("mcp:remote:streamable")
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("as_json", [False, True], ids=["events", "json"])
async def test_streamable_http_works_in_both_protocols(
    tmp_path: Path, old: bool, as_json: bool
) -> None:
    """§10.1: no transport is named; the newest protocol both know."""
    door = streamable(old=old, json_response=as_json)
    async with served(door) as url, opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
        assert (await toolset.tools(around())).instructions == "Handle with care."
        assert toolset.life.held is not None
        assert (toolset.life.held.protocol == "2026-07-28") is not old
        assert await text(toolset, "add", a=2, b=3) == "5"
        await text(toolset, "grow")
        with anyio.fail_after(LIMIT):
            while "grown" not in await names(toolset):
                await anyio.lowlevel.checkpoint()
    assert ("initialize" in door.methods) is old
    assert ("DELETE" in [method for method, _, _ in door.heard]) is old


@requirement("mcp:remote:sse")
@pytest.mark.parametrize("kind", ["", "sse"])
async def test_a_server_of_the_older_transport_is_spoken_with(tmp_path: Path, kind: str) -> None:
    """§10.1: where none is named, 404, 405 and 400 lead to SSE."""
    door = Door(sdk_server.plain().sse_app())
    keys: dict[str, Any] = {"transport_type": kind} if kind else {}
    async with served(door) as url, opened(tmp_path, **remote(f"{url}/sse", **keys)) as toolset:
        assert await text(toolset, "add", a=2, b=3) == "5"
    assert door.heard[0][0] == ("GET" if kind else "POST")


@requirement("mcp:remote:unix")
async def test_a_socket_is_a_remote_server_too(tmp_path: Path) -> None:
    """§10.1: `unix:///path`."""
    async with (
        served(streamable(host="0.0.0.0"), uds=str(tmp_path / "s")) as url,
        opened(tmp_path, **remote(url)) as toolset,
    ):
        assert await text(toolset, "add", a=2, b=3) == "5"


@requirement("mcp:remote:headers")
async def test_headers_of_the_file_go_along(tmp_path: Path) -> None:
    """§8.6: headers are templates."""
    keys: dict[str, Any] = {"headers": {"X-Token": "${env.TOKEN}!", "User-Agent": "mine"}}
    async with (
        served(streamable()) as url,
        opened(tmp_path, secrets={"TOKEN": "t1"}, **remote(f"{url}/mcp", **keys)) as toolset,
    ):
        seen = await value(toolset, "headers")
    assert (seen["x-token"], seen["user-agent"]) == ("t1!", "mine")


@requirement("mcp:remote:forgotten")
async def test_a_session_the_server_forgot_is_opened_anew_and_the_call_sent_once_more(
    tmp_path: Path,
) -> None:
    """§10.6: session expired (404): the call did not run."""
    door = streamable(old=True)
    forget: list[bytes] = []

    def instead(scope: Scope) -> int | None:
        known = dict(scope["headers"]).get(b"mcp-session-id")
        return 404 if forget and known == forget[0] and scope["method"] == "POST" else None

    async with served(door) as url, opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
        assert await text(toolset, "add", a=1, b=1) == "2"
        await asyncio.sleep(1.1)  # younger sessions that are forgotten wait for the backoff
        door.instead = instead
        forget.append(door.heard[-1][2]["mcp-session-id"].encode())
        assert await text(toolset, "add", a=2, b=3) == "5"
        assert door.methods.count("initialize") == 2
        assert toolset.status.state == "ready"


@requirement("mcp:changed")
async def test_what_changes_while_the_stream_of_changes_is_broken_is_seen(tmp_path: Path) -> None:
    """§10.4: the stream is asked for again, and what may have been missed is listed anew."""
    door = streamable()
    inner, streams = door.app, list[asyncio.Task[None]]()

    async def cutting(scope: Scope, receive: Receive, send: Send) -> None:
        if door.methods[-1:] != ["subscriptions/listen"]:
            await inner(scope, receive, send)
            return

        async def follow() -> None:
            await inner(scope, receive, send)

        streams.append(asyncio.create_task(follow()))
        await asyncio.wait({streams[-1]})

    door.app = cutting
    async with served(door) as url, opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
        before = await toolset.tools(around())
        assert "grown" not in before.by_name and len(streams) == 1
        streams[0].cancel()
        await asyncio.wait({streams[0]})
        await text(toolset, "grow")
        with anyio.fail_after(LIMIT):
            while "grown" not in await names(toolset):
                await anyio.lowlevel.checkpoint()
        assert len(streams) == 2
        assert door.methods.count("server/discover") == 1
        assert await text(toolset, "grown") == "I am new"
        streams[1].cancel()


@requirement("mcp:remote:back", "runtime:20.2:mcp-dies")
async def test_a_server_that_went_and_came_back_is_found_again(tmp_path: Path) -> None:
    """§20.2 19, over HTTP: the call meanwhile is an error."""
    quick = {"backoff": {"initial": "10ms"}, "max_restarts": -1}
    async with AsyncExitStack() as stack:
        async with served(streamable()) as url:
            keys = remote(f"{url}/mcp")
            toolset = await stack.enter_async_context(opened(tmp_path, lifecycle=quick, **keys))
            listing = await toolset.tools(around())
            assert await text(toolset, "add", a=2, b=3) == "5"
        hasty = msgspec.structs.replace(context(), remaining=lambda: 0.5)
        with pytest.raises(ToolError, match=r"broke during the call|is not there"):
            await toolset.call("add", {"a": 1, "b": 1}, hasty)
        assert await toolset.tools(around()) is listing
        async with served(streamable(), port=int(url.rpartition(":")[2])):
            assert await text(toolset, "add", a=4, b=3) == "7"
            await toolset.life.close()


@requirement("mcp:remote:away")
async def test_a_server_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    """§8.4: the toolset contributes nothing, and says why."""
    async with served(streamable()) as url:
        pass
    async with opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
        with pytest.raises(ToolError, match="cannot be reached"):
            await toolset.tools(around())


@requirement("mcp:remote:headers")
async def test_an_address_whose_variable_is_missing_fails_the_toolset_alone(
    tmp_path: Path,
) -> None:
    """§8.6: undefined is empty, and an empty address is none; one written wrong stops the start."""
    async with opened(tmp_path, **remote("${env.NOWHERE}")) as toolset:
        with pytest.raises(ToolError, match=r"remote.url: is no http or https address"):
            await toolset.tools(around())
        assert toolset.status.state == "failed"
    with pytest.raises(ConfigError, match=r"agent.yaml:1: remote.url: is no http"):
        async with opened(tmp_path, **remote("ftp://example.com/mcp")):
            pass


@requirement("mcp:remote:secret")
async def test_what_is_secret_in_an_address_is_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses hold keys: in their path, in their query, before an @."""
    url = "http://me:s3cret1@127.0.0.1:9/s3cret2/mcp?key=s3cret3"
    async with opened(tmp_path, **remote(url)) as toolset:
        assert toolset.name == "127.0.0.1:9"
        with pytest.raises(ToolError) as failed:
            await toolset.tools(around())
        assert "s3cret" not in f"{failed.value} {toolset.status.reason} {caplog.text}"


@requirement("mcp:remote:status")
@pytest.mark.parametrize("status", [401, 403, 500])
async def test_what_a_server_refuses_is_told(tmp_path: Path, status: int) -> None:
    """§10.5: no token → authorization required, not tried in a loop; other refusals by status."""
    door = streamable()
    door.instead = lambda scope: status
    async with served(door) as url, opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
        with pytest.raises(ToolError) as failed:
            await toolset.tools(around())
        tries = len(door.heard)
        expected = "mcp login" if status == 401 else f"HTTP {status}"
        assert expected in str(failed.value)
        assert toolset.status.state == "failed"
    assert (tries <= 2) is (status == 401)


@requirement("mcp:remote:guard")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0"],
)
async def test_private_addresses_are_refused_by_every_spelling(tmp_path: Path, host: str) -> None:
    """Issue: SSRF by IPv6 forms; nothing is sent."""
    door = streamable()
    async with served(door) as url:
        address = url.replace("127.0.0.1", host)
        keys = remote(f"{address}/mcp", private=False)
        async with opened(tmp_path, **keys) as toolset:
            with pytest.raises(ToolError, match=r"public address.*allow_private_ips"):
                await toolset.tools(around())
    assert door.heard == []


@requirement("mcp:remote:guard")
@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
async def test_numbers_that_are_no_addresses_are_refused(tmp_path: Path, host: str) -> None:
    """Issue: SSRF by numbers that some resolvers read as addresses."""
    async with opened(tmp_path, **remote(f"http://{host}:1/mcp", private=False)) as toolset:
        with pytest.raises(ToolError, match=r"is no host|public address"):
            await toolset.tools(around())


async def reached(address: Address, resolved: str) -> None:
    """Connect, with every name leading to `resolved` and 127.0.0.1 for a public address."""

    async def resolve(host: str, port: int) -> list[str]:
        return [resolved]

    server = Remote((address,), None, resolve, lambda ip: ip == "127.0.0.1")

    def ended(end: End) -> None:
        """Nobody waits for it."""

    async with connect_remote(server, Path.cwd(), ended):
        pass


@requirement("mcp:remote:guard")
async def test_a_name_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    """Issue: SSRF by DNS; the connection goes to the very address that was judged."""
    door = streamable(transport_security=None, host="0.0.0.0")
    async with served(door) as url:
        port = url.rpartition(":")[2]
        await reached(Address(f"http://mcp.example:{port}/mcp"), "127.0.0.1")
        assert door.heard[0][2]["host"] == f"mcp.example:{port}"
        heard = len(door.heard)
        with pytest.raises(StartError, match="public address"):
            await reached(Address(f"http://mcp.example:{port}/mcp"), "10.0.0.1")
        assert len(door.heard) == heard


@requirement("mcp:remote:tls")
async def test_a_certificate_must_be_that_of_the_name_and_not_of_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection goes to an address that was judged; who answers there must still be the one
    that was meant."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    door = streamable(transport_security=None, host="0.0.0.0")
    async with served_at(lambda url: door, tls=True) as url:
        port = url.rpartition(":")[2]
        await reached(Address(f"https://model.test:{port}/mcp"), "127.0.0.1")
        heard = len(door.heard)
        with pytest.raises(StartError, match="certificate"):
            await reached(Address(f"https://mcp.example:{port}/mcp"), "127.0.0.1")
        assert heard and len(door.heard) == heard


@requirement("mcp:remote:redirect")
async def test_a_redirect_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """Issue: SSRF by redirect; headers meant for one server go to no other."""
    door = streamable()
    async with served(door) as inside:
        away = Answer("", 307, headers={"location": f"{inside}/mcp"})
        async with site({"/mcp": away, "/sse": away}) as outside:
            keys = remote(f"{outside.url}/mcp", headers={"Authorization": "Bearer x"})
            async with opened(tmp_path, **keys) as toolset:
                with pytest.raises(ToolError):
                    await toolset.tools(around())
    assert outside.heard and door.heard == []


@requirement("mcp:remote:bounds")
async def test_answers_are_bounded_and_not_unpacked(tmp_path: Path) -> None:
    """Issue: endless and packed answers."""
    endless = computed(lambda heard: Answer(b"x" * 17_000_000, type="application/json"))
    packed = Answer(b"\x1f\x8b", type="application/json", headers={"content-encoding": "gzip"})
    for answer in (endless, packed):
        async with site({"/mcp": answer}) as server:
            keys = remote(f"{server.url}/mcp", transport_type="streamable")
            async with opened(tmp_path, **keys) as toolset:
                with pytest.raises(ToolError, match="connection failed"):
                    await toolset.tools(around())
                assert toolset.status.state == "failed"


def asking(token: str, caller: str = "") -> tuple[Around, CallContext]:
    """The surroundings of a request with this header."""
    headers = {"x-token": token} if token else {}
    return (
        msgspec.structs.replace(around(), headers=headers, caller=caller),
        msgspec.structs.replace(context(), headers=headers, caller=caller),
    )


@requirement("mcp:remote:passed")
async def test_incoming_headers_reach_the_server_in_sessions_of_their_own(tmp_path: Path) -> None:
    """§8.6, §1.3: `${headers.X}` gives each caller a session of its own."""
    door = streamable(old=True)
    keys: dict[str, Any] = {"headers": {"Authorization": "Bearer ${headers['X-Token']}"}}
    async with served(door) as url, opened_any(tmp_path, **remote(f"{url}/mcp", **keys)) as toolset:
        assert toolset.scope == "run"
        assert door.heard == []
        for token in ("anna", "ben", "anna"):
            listing, calling = asking(token)
            assert "add" in (await toolset.tools(listing)).by_name
            seen = json.loads((await toolset.call("headers", {}, calling)).text)
            assert seen["authorization"] == f"Bearer {token}"
        assert door.methods.count("initialize") == 2
        listing, _ = asking("anna", caller="somebody else")
        await toolset.tools(listing)
        assert door.methods.count("initialize") == 3
        with pytest.raises(ToolError, match="lacks what it passes on: X-Token"):
            await toolset.tools(asking("")[0])
    assert "DELETE" in [method for method, _, _ in door.heard]
