"""Servers of the catalogue that a conversation brings in itself. Source: runtime.md §9.20."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from starlette.types import Receive, Scope, Send

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolSpec
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools.background import Background
from docker_agent.tools.deferred import Deferred, Hidden
from docker_agent.tools.life import Policy, StartError
from docker_agent.tools.mcp.catalog import CACHE_FILE, URL_VARIABLE, Catalog, Entry, RemoteEntry
from docker_agent.tools.mcp.catalog_toolset import MAX_ENABLED, McpCatalog
from docker_agent.tools.mcp.offers import HELD_SECONDS, Shelf
from docker_agent.tools.mcp.places import Bounds, Places
from docker_agent.tools.mcp.toolset import Mcp, Server
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Draft, Ending
from docker_agent.tools.table import TOOLSETS
from tests.requirements import requirement
from tests.runtime.players import Tools, fine
from tests.tools.mcp.opening import LIMIT
from tests.tools.mcp.serving import Door, served
from tests.tools.mcp.test_http import streamable
from tests.tools.surroundings import around, context
from tests.tools.web_server import Answer, computed, silent, site

pytestmark = pytest.mark.anyio

FIRST = ["search_remote_mcp_servers", "list_remote_mcp_servers", "enable_remote_mcp_server"]
GONE = 4.0
"""Seconds: the two that are promised, and as many for a busy machine."""
ENTRY = Entry("remote", remote=RemoteEntry("https://mcp.example.com/mcp"))
LATER = [*FIRST, "disable_remote_mcp_server", "reset_remote_mcp_server_auth"]


def service(url: str = "https://mcp.example.com/mcp", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An entry of the catalogue."""
    remote = {"url": url, "transport_type": "streamable-http"}
    return {"type": "remote", "title": "A Title", "description": "Says\nthings.", "remote": remote,
            **more}  # fmt: skip


def catalogue(folder: Path, registry: Mapping[str, Any]) -> str:
    """A catalogue of the operator's own."""
    file = folder / "catalog.json"
    file.write_text(json.dumps({"registry": registry}))
    return str(file)


@asynccontextmanager
async def opened(folder: Path, **keys: Any) -> AsyncGenerator[McpCatalog]:  # noqa: ANN401
    """The toolset of an entry with these keys."""
    opening = Opening(folder, Values({}), cache_dir=folder / "cache")
    raw = decode(json.dumps(keys).encode(), "agent.yaml")
    with anyio.fail_after(2 * LIMIT):
        async with TOOLSETS["mcp_catalog"](raw, opening) as toolset:
            assert isinstance(toolset, McpCatalog)
            try:
                yield toolset
            finally:
                await opening.background.close()


class Run:
    """One run of a conversation, or of none: `state` is what its earlier turns have kept."""

    def __init__(
        self, toolset: McpCatalog, conversation: str | None = "c", state: Draft | None = None
    ) -> None:
        self._toolset = toolset
        self._endings: list[Ending] = []
        self.state = state or Draft()
        owner = conversation or "run"
        self.context = msgspec.structs.replace(
            context(self.state),
            conversation_id=conversation,
            owner=owner,
            at_end=self._endings.append,
        )
        self.around = msgspec.structs.replace(around(), state=self.state, owner=owner)

    async def listing(self, *, patient: bool = True) -> ToolList:
        """The tools there are now."""
        return await self._toolset.tools(msgspec.structs.replace(self.around, patient=patient))

    async def names(self) -> list[str]:
        """Their names."""
        return [spec.name for spec in (await self.listing()).specs]

    async def call(self, name: str, **arguments: JSON) -> str:
        """What a tool answers."""
        result = await self._toolset.call(name, arguments, self.context)
        assert not result.is_error
        return result.text

    async def enable(self, id: str) -> str:
        """What comes of enabling a server."""
        return await self.call("enable_remote_mcp_server", id=id)

    async def end(self, *, well: bool = True) -> Draft:
        """End the run; what the next one begins with."""
        for ending in self._endings:
            await ending(well)
        return Draft(self.state.entries())


async def until_left(door: Door) -> None:
    """Wait until the server has been told that a session ends."""
    with anyio.fail_after(LIMIT):
        while "DELETE" not in [method for method, _, _ in door.heard]:
            await anyio.lowlevel.checkpoint()


@pytest.fixture
def door() -> Door:
    """A server that notes each session."""
    return streamable(old=True)


@asynccontextmanager
async def with_far(
    door: Door, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str
) -> AsyncGenerator[McpCatalog]:
    """The toolset, and a real server `far` in its catalogue; further names are the same server."""
    async with served(door) as url:
        registry = {name: service(f"{url}/mcp") for name in ("far", *more)}
        monkeypatch.setenv(URL_VARIABLE, catalogue(folder, registry))
        async with opened(folder, allow_private_ips=True) as toolset:
            yield toolset


REGISTRY: dict[str, Any] = {
    "docs": service(metadata={"category": "documentation", "tags": ["manuals"]}),
    "weather": service("https://weather.example.com/mcp", title="Weather", oauth={"providers": []}),
    "notes": service(oauth=[{"provider": "notes"}]),
    "search": service(secrets=[{"name": "search.key", "env": "SEARCH_KEY"}]),
    "headed": service() | {"remote": {"url": "https://x.example", "headers": {"X-Key": "${KEY}"}}},
    "brave": {"type": "server", "title": "Docs in a container", "image": "mcp/brave"},
    "older": service() | {"remote": {"url": "https://x.example/sse", "transport_type": "sse"}},
    "odd": {"type": "remote", "title": 7},
    "two\nlines": service(),
}


@requirement("catalog:search")
async def test_a_search_shows_what_anybody_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§9.20 R: entries that need nothing and nobody; `found n server(s):` and JSON."""
    monkeypatch.setenv(URL_VARIABLE, catalogue(tmp_path, REGISTRY))
    async with opened(tmp_path) as toolset:
        run = Run(toolset)

        async def found(query: str) -> list[dict[str, str]]:
            text = await run.call("search_remote_mcp_servers", query=query)
            head, _, rows = text.partition("\n")
            listed = json.loads(rows)
            assert head == f"found {len(listed)} server(s):"
            return listed

        assert [each["id"] for each in await found("")] == ["docs", "weather"]
        assert await found("MANUALS documentation") == [
            {
                "id": "docs",
                "title": "A Title",
                "description": "Says things.",
                "category": "documentation",
                "auth": "none",
                "url": "https://mcp.example.com/mcp",
            }
        ]
        assert [each["id"] for each in await found("weather things")] == ["weather", "docs"]
        assert await found("nothing-like-it") == []
        assert await run.names() == FIRST
        specs = (await run.listing()).specs
        assert [spec.read_only for spec in specs] == [True, True, False]


@requirement("catalog:lists")
async def test_the_file_says_which_servers_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §2.9: the block wins; a name that the catalogue has not is told once."""
    registry = {name: service() for name in ("a", "b", "c")}
    monkeypatch.setenv(URL_VARIABLE, catalogue(tmp_path, registry))
    keys: dict[str, Any] = {"allowed_servers": ["a", "b", "typo"], "blocked_servers": ["b"]}
    async with opened(tmp_path, **keys) as toolset:
        run = Run(toolset)
        assert "typo" not in caplog.text
        for _ in range(2):
            text = await run.call("search_remote_mcp_servers", query="")
            assert [each["id"] for each in json.loads(text.partition("\n")[2])] == ["a"]
        for id in ("b", "c"):
            with pytest.raises(ToolError, match=f"'{id}' may not be used here"):
                await run.enable(id)
    assert caplog.text.count("no server named typo") == 1


@requirement("catalog:refused")
async def test_a_server_that_cannot_be_had_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§9.20: clear errors for the model, and nothing is enabled by them."""
    async with site({"/mcp": Answer(status=401), "/down": Answer(status=503)}) as web:
        registry = {
            **REGISTRY,
            "asks": service(f"{web.url}/mcp"),
            "down": service(f"{web.url}/down"),
            "away": service("http://127.0.0.1:9/mcp"),
            "socket": service("unix:///run/docker.sock"),
        }
        monkeypatch.setenv(URL_VARIABLE, catalogue(tmp_path, registry))
        async with opened(tmp_path, allow_private_ips=True) as toolset:
            run = Run(toolset)
            for id, why in {
                "dosc": "no server 'dosc'; did you mean 'docs'",
                "notes": r"sign in \(OAuth\)",
                "search": "needs a key",
                "headed": "needs a key",
                "brave": "a program, no service",
                "older": "speaks 'sse'",
                "odd": "no server 'odd'",
                "socket": "no web address",
                "two\nlines": "its id is not usable",
                "asks": "could not be enabled: it wants somebody to sign in",
                "down": "could not be enabled: .*503",
                "away": "could not be enabled: it cannot be reached",
            }.items():
                with pytest.raises(ToolError, match=why):
                    await run.enable(id)
            assert run.state.entries() == {}
            assert await run.names() == FIRST


@requirement("catalog:private")
async def test_a_private_address_is_refused_unless_it_is_allowed(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.5 R: the guard of remote servers, whatever a catalogue names."""
    async with served(door) as url:
        monkeypatch.setenv(URL_VARIABLE, catalogue(tmp_path, {"far": service(f"{url}/mcp")}))
        async with opened(tmp_path) as toolset:
            with pytest.raises(ToolError, match="not at a public address"):
                await Run(toolset).enable("far")
        assert door.heard == []
        async with opened(tmp_path, allow_private_ips=True) as toolset:
            assert "far_add" in await Run(toolset).enable("far")


@requirement("catalog:enable", "catalog:visible")
async def test_the_tools_of_an_enabled_server_are_there_at_the_next_turn(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§9.20: in the same run, under its own prefix, until it is disabled."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        assert door.heard == [] and await run.names() == FIRST
        assert "You can call its tools from your next turn on: far_add," in await run.enable("far")
        assert await run.enable("far") == "The server 'far' is enabled already."
        names = await run.names()
        assert names[: len(LATER)] == LATER and "far_add" in names
        listing = await run.listing()
        assert await run.listing() is listing
        assert "### Server far\n\nHandle with care." in listing.instructions
        spec = listing.by_name["far_add"]
        assert (spec.read_only, spec.category, spec.keeps_time) == (True, "mcp", True)
        assert listing.by_name["reset_remote_mcp_server_auth"].destructive
        assert await run.call("far_add", a=2, b=3) == "5"
        listed = await run.call("list_remote_mcp_servers")
        assert listed.startswith("1 server(s) enabled:\n")
        assert json.loads(listed.partition("\n")[2])[0]["state"] == "connected"
        assert "nothing was kept" in await run.call("reset_remote_mcp_server_auth", id="far")
        await until_left(door)
        assert await run.call("far_add", a=3, b=3) == "6"
        assert door.methods.count("initialize") == 2
        assert "its tools are gone" in await run.call("disable_remote_mcp_server", id="far")
        assert await run.names() == LATER
        with pytest.raises(ToolError, match="no server that is enabled has this tool"):
            await run.call("far_add", a=2, b=3)
        for name in ("disable_remote_mcp_server", "reset_remote_mcp_server_auth"):
            with pytest.raises(ToolError, match="is not enabled; enabled are: none"):
                await run.call(name, id="far")


@requirement("catalog:private")
async def test_a_server_that_a_model_chose_hears_nothing_of_this_machine(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No roots: nobody who knows this machine has chosen the server."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        await run.enable("far")
        [hello] = [body for body in door.bodies if body.get("method") == "initialize"]
        assert set(hello["params"]["capabilities"]) == {"elicitation"}
        sent = json.loads(await run.call("far_headers"))
        assert "authorization" not in sent and "cookie" not in sent
        assert str(tmp_path) not in json.dumps(door.bodies)


@requirement("catalog:enable")
async def test_tools_that_a_server_changes_are_seen_at_the_next_turn(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.4, as for every MCP server."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        await run.enable("far")
        await run.call("far_grow")
        with anyio.fail_after(LIMIT):
            while "far_grown" not in await run.names():
                await anyio.lowlevel.checkpoint()
        assert await run.call("far_grown") == "I am new"


@requirement("catalog:apart")
async def test_deferred_tools_of_a_server_are_those_of_the_conversation(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§9.21: `defer` hides them until they are looked for, over the same session."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        await run.enable("far")
        hidden = Hidden(toolset)
        deferred = Deferred([hidden])
        assert not await hidden.tools(run.around)
        found = await deferred.call("search_tool", {"query": "far add"}, run.context)
        assert "far_add" in found.text
        await deferred.call("add_tool", {"name": "far_add"}, run.context)
        assert [*(await hidden.tools(run.around)).by_name] == ["far_add"]
        assert door.methods.count("initialize") == 1


@requirement("catalog:away")
async def test_a_catalogue_that_grew_old_is_used_until_there_is_a_newer_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """§10.3: the copy is used when nobody answers; turns that wait for nobody use what is known."""
    clock, answers = [0.0], [Catalog({"a": ENTRY}), Catalog(None), Catalog({"b": ENTRY})]

    async def load() -> tuple[Catalog, str]:
        catalog = answers.pop(0)
        return catalog, "" if catalog.registry else "away"

    shelf = Shelf(load, now=lambda: clock[0])
    assert not shelf.known
    assert [*await shelf.offers()] == ["a"] == [*await shelf.offers()]
    for names in (["a"], ["b"]):
        clock[0] += HELD_SECONDS
        assert [*shelf.known] == ["a"]
        assert [*await shelf.offers()] == names
    assert caplog.text.count("away") == 1


@requirement("catalog:apart")
async def test_two_conversations_have_sessions_of_their_own(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§1.3: what one has enabled shows with no other; what a server remembers of one neither."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        anna, ben, carl = (Run(toolset, name) for name in ("anna", "ben", "carl"))
        await asyncio.gather(anna.enable("far"), ben.enable("far"))
        assert door.methods.count("initialize") == 2
        calls = [run.call("far_add", a=n, b=n) for n, run in enumerate((anna, ben))]
        assert await asyncio.gather(*calls) == ["0", "2"]
        sessions = {
            headers["mcp-session-id"]
            for (_, _, headers), name in zip(door.heard, door.methods, strict=True)
            if name == "tools/call"
        }
        assert len(sessions) == 2
        assert await anna.listing() is await ben.listing()
        assert await carl.names() == FIRST
        with pytest.raises(ToolError, match="no server that is enabled"):
            await carl.call("far_add", a=1, b=1)
        await anna.call("disable_remote_mcp_server", id="far")
        assert await ben.call("far_add", a=2, b=2) == "4"


@requirement("catalog:turns")
@pytest.mark.parametrize(
    ("conversation", "well"), [("c", False), (None, True)], ids=["failed", "no-conversation"]
)
async def test_what_no_turn_keeps_is_left_with_the_run(
    door: Door,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    conversation: str | None,
    well: bool,
) -> None:
    """DESIGN.md §8: a failed turn has enabled nothing, and leaves no connection."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset, conversation)
        await run.enable("far")
        await run.end(well=well)
        await until_left(door)
        assert await Run(toolset, "c").names() == FIRST


@requirement("catalog:restart")
async def test_a_kept_conversation_has_its_servers_again(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§1.3: the set is kept with the turn; after a restart it is connected with when it is used."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        await run.enable("far")
        kept = await run.end()
        assert "DELETE" not in [method for method, _, _ in door.heard]
        async with opened(tmp_path, allow_private_ips=True) as other:
            again = Run(other, state=Draft(kept.entries()))
            assert json.loads((await again.call("list_remote_mcp_servers")).partition("\n")[2]) == [
                {"id": "far", "title": "A Title", "url": f"{_url(door)}", "state": "idle"}
            ]
            assert door.methods.count("initialize") == 1
            assert await again.call("far_add", a=2, b=3) == "5"
            assert "far_add" in await again.names()
            assert door.methods.count("initialize") == 2
        async with opened(tmp_path, allow_private_ips=True, blocked_servers=["far"]) as other:
            assert await Run(other, state=Draft(kept.entries())).names() == LATER
            assert door.methods.count("initialize") == 2


def _url(door: Door) -> str:
    """Where it was asked for."""
    _, path, headers = door.heard[0]
    return f"http://{headers['host']}{path}"


@requirement("catalog:restart")
async def test_a_server_that_is_away_keeps_no_turn_from_going_on(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§8.4: it contributes nothing, and is there again when it is back."""
    async with with_far(door, tmp_path, monkeypatch) as toolset:
        run = Run(toolset)
        await run.enable("far")
        kept = await run.end()
    async with opened(tmp_path, allow_private_ips=True) as toolset:
        run = Run(toolset, state=kept)
        assert await run.names() == LATER
        with pytest.raises(ToolError, match="the server 'far' is not there: it cannot be reached"):
            await run.call("far_add", a=1, b=1)
        text = await run.call("list_remote_mcp_servers")
        assert '"state":"away","reason":"it cannot be reached"' in text


@requirement("catalog:cancel")
async def test_enabling_that_is_cancelled_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """seed.txt, cancellation: within two seconds, also from a server that never answers."""
    reached, left = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            reached.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

    async with served(app) as url:
        monkeypatch.setenv(URL_VARIABLE, catalogue(tmp_path, {"far": service(f"{url}/mcp")}))
        async with opened(tmp_path, allow_private_ips=True) as toolset:
            run = Run(toolset)
            task = asyncio.create_task(run.enable("far"))
            async with asyncio.timeout(LIMIT):
                await reached.wait()
            task.cancel()
            async with asyncio.timeout(GONE):
                with pytest.raises(asyncio.CancelledError):
                    await task
                await left.wait()
            assert run.state.entries() == {}
            text = await run.call("list_remote_mcp_servers")
            assert text.startswith("No server is enabled")


@requirement("catalog:bounds")
async def test_a_conversation_enables_only_so_many(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN.md §8: every number has a bound; also when they are enabled side by side."""
    more = [f"far{number}" for number in range(MAX_ENABLED)]
    async with with_far(door, tmp_path, monkeypatch, *more) as toolset:
        run = Run(toolset)
        done = await asyncio.gather(*map(run.enable, ("far", *more)), return_exceptions=True)
        [refused] = [each for each in done if isinstance(each, ToolError)]
        assert f"{MAX_ENABLED} servers are enabled" in str(refused)
        await until_left(door)
        [kept] = run.state.entries().values()
        assert len(json.loads(kept)) == MAX_ENABLED


def _unopened() -> Mcp:
    """A session that is never there."""

    @asynccontextmanager
    async def connect(ended: object) -> AsyncGenerator[Any]:
        raise StartError("no", lasting=True)
        yield

    return Mcp(Server("x", "x", connect, Policy()))


@requirement("catalog:bounds", "mcp:remote:passed")
async def test_sessions_are_bounded_and_closed_when_nobody_uses_them() -> None:
    """DESIGN.md §8: the one that was not used for longest makes room; none in use does."""
    background, clock = Background(), [0.0]
    places: Places[str] = Places(Bounds(2, 0.05, "full"), background, lambda: clock[0])
    with places.used("a", _unopened):
        with places.used("b", _unopened):
            with pytest.raises(ToolError, match="full"), places.used("c", _unopened):
                pass
            first = places.known("b")
        with places.used("b", _unopened) as again:
            assert again is first
        with places.used("c", _unopened):
            assert places.known("b") is None and places.known("a") is not None
    clock[0] = 1.0
    with anyio.fail_after(LIMIT):
        while len(places):  # noqa: ASYNC110 - a timer of the loop does it
            await asyncio.sleep(0.01)
    with places.used("d", _unopened):
        pass
    places.drop("d")
    await asyncio.gather(background.close(), places.close())
    assert len(places) == 0


@requirement("catalog:names")
async def test_what_a_conversation_brings_in_never_takes_a_name(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """§8.5: the first of a name wins, and what was brought in is never the first."""
    async with with_far(door, tmp_path, monkeypatch, "far_") as toolset:
        run = Run(toolset)
        await run.enable("far")
        await run.enable("far_")
        own = Tools({"far_add": fine})
        listing = await run.listing()
        assert listing.by_name["far__add"].brought
        who = msgspec.structs.replace(around(), state=run.state, owner="c")
        gathered = await Toolbox([toolset, own]).gather(who)
        assert gathered.owner("far_add") is own
        assert not gathered.list.by_name["far_add"].brought
        assert gathered.owner("far_boom") is toolset
        both = gathered.beside(ToolList([ToolSpec(name, "", {}) for name in ("far_boom", "own")]))
        assert both.owner("far_boom") is None and both.owner("far_nothing") is toolset
        assert [spec.name for spec in both.list.specs][-2:] == ["far_boom", "own"]
        order = [spec.name for spec in gathered.list.specs]
        assert order[: len(LATER) + 1] == [*LATER, "far_add"]
    assert "tool far_add of mcp_catalog is hidden by the one of tools" in caplog.text


@requirement("catalog:names")
async def test_of_two_servers_with_one_name_the_first_has_it(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """§8.5 3: first wins, with one warning that names both."""
    async with with_far(door, tmp_path, monkeypatch, "far!", "far?") as toolset:
        run = Run(toolset)
        await run.enable("far!")
        await run.enable("far?")
        names = await run.names()
        assert names.count("far__add") == 1
        assert await run.call("far__add", a=1, b=1) == "2"
        assert "tool far__add of server far? is hidden by the one of server far!" in caplog.text
        assert caplog.text.count("tool far__add") == 1


@requirement("catalog:away")
async def test_without_a_catalogue_the_tools_say_so_and_the_start_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """§9.20: a tool error, one warning, and another try at the next call."""
    pages: dict[str, Any] = {}
    async with site(pages) as web:
        monkeypatch.setenv(URL_VARIABLE, f"{web.url}/c.json")
        async with opened(tmp_path) as toolset:
            run = Run(toolset)
            assert await run.names() == FIRST
            assert web.heard == [] and caplog.text == ""
            for _ in range(2):
                with pytest.raises(ToolError, match=r"catalogue cannot be had: .*404; try again"):
                    await run.call("search_remote_mcp_servers", query="")
            assert caplog.text.count("catalogue cannot be had") == 1
            with pytest.raises(ToolError, match="catalogue cannot be had"):
                await run.enable("docs")
            document = json.dumps({"registry": {"docs": service()}})
            web.pages["/c.json"] = Answer(document, type="application/json")
            assert '"id":"docs"' in await run.call("search_remote_mcp_servers", query="")
    missing = str(tmp_path / "none.json")
    monkeypatch.setenv(URL_VARIABLE, missing)
    async with opened(tmp_path) as toolset:
        with pytest.raises(ToolError, match=r"none\.json cannot be read"):
            await Run(toolset).call("search_remote_mcp_servers", query="")


@requirement("catalog:away")
async def test_a_silent_catalogue_holds_nobody_who_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that is cancelled lets the next one try."""
    async with site({"/c.json": silent}) as web:
        monkeypatch.setenv(URL_VARIABLE, f"{web.url}/c.json")
        async with opened(tmp_path) as toolset:
            run = Run(toolset)
            task = asyncio.create_task(run.call("search_remote_mcp_servers", query=""))
            with anyio.fail_after(LIMIT):
                while not web.heard:
                    await anyio.lowlevel.checkpoint()
            task.cancel()
            await asyncio.wait({task})
            web.pages["/c.json"] = Answer(json.dumps({"registry": {"docs": service()}}))
            assert "found 1" in await run.call("search_remote_mcp_servers", query="")


@requirement("catalog:away", "mcp:docker:catalog")
async def test_a_copy_of_an_older_form_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3: a copy that does not say all is none."""
    asked: list[str] = []

    def answer(heard: Any) -> Answer:  # noqa: ANN401 - a request
        asked.append(heard.headers.get("if-none-match", ""))
        return Answer(json.dumps({"registry": {"docs": service()}}), headers={"etag": '"v1"'})

    async with site({"/c.json": computed(answer)}) as web:
        url = f"{web.url}/c.json"
        monkeypatch.setenv(URL_VARIABLE, url)
        (tmp_path / "cache").mkdir(mode=0o700)
        old = {"url": url, "etag": '"v1"', "fetched": 9e9, "registry": {"docs": {"type": "server"}}}
        (tmp_path / "cache" / CACHE_FILE).write_text(json.dumps(old))
        async with opened(tmp_path) as toolset:
            assert '"A Title"' in await Run(toolset).call("search_remote_mcp_servers", query="")
    assert asked == [""]
    kept = json.loads((tmp_path / "cache" / CACHE_FILE).read_text())["registry"]["docs"]
    assert msgspec.convert(kept, Entry).title == "A Title"
