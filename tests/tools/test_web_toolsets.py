"""The toolsets of the web and of memory as an agent file opens them."""

from __future__ import annotations

import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docker_agent.config.decode import decode
from docker_agent.config.tree import Raw
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.tools.port import Toolset
from docker_agent.tools.table import TOOLSETS, Opening
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, say
from tests.tools.surroundings import around, context
from tests.tools.web_server import Answer, computed, site

pytestmark = pytest.mark.anyio


def declared(**options: Any) -> Raw:  # noqa: ANN401 - as in a file
    """The options of a toolset entry."""
    return decode(json.dumps(options).encode(), "agent.yaml")


def opening(folder: Path, **more: Any) -> Opening:  # noqa: ANN401 - fields
    """What toolsets of a file in `folder/config` may use."""
    (folder / "config").mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "data_dir": folder / "data",
        "config_dir": folder / "config",
        "source": str(folder / "config" / "agent.yaml"),
        **more,
    }
    return Opening(folder, Values({"KEY": "k1", "SUB": "deep"}), **given)


async def opened(
    stack: AsyncExitStack,
    type: str,
    around: Opening,
    **options: Any,  # noqa: ANN401 - as in a file
) -> Toolset:
    """A toolset of this type."""
    return await stack.enter_async_context(TOOLSETS[type](declared(**options), around))


@requirement("web:guard:untrusted")
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_file_from_elsewhere_opens_no_private_addresses(
    tmp_path: Path, trusted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §5: what such a file opens does not count unless the operator says so."""
    document = {"openapi": "3.0.0", "paths": {"/x": {"get": {"operationId": "x"}}}}
    pages = {"/x": Answer("inside"), "/doc": Answer(json.dumps(document))}
    async with site(pages) as inside, AsyncExitStack() as stack:
        where = opening(tmp_path, trusted=trusted)
        private: dict[str, Any] = {"allow_private_ips": True}
        fetch = await opened(stack, "fetch", where, **private)
        api = {"name": "x", "endpoint": f"{inside.url}/x"}
        tool = await opened(stack, "api", where, api_config=api, **private)
        calls = [
            await fetch.call("fetch", {"urls": [f"{inside.url}/x"], "format": "text"}, context())
        ]
        if trusted:
            calls.append(await tool.call("x", {}, context()))
            many = await opened(stack, "openapi", where, url=f"{inside.url}/doc", **private)
            calls.append(await many.call("x", {}, context()))
        assert ["inside" in each.text for each in calls] == [trusted] * len(calls)
        assert bool(inside.heard) is trusted
        assert ("does not count" in caplog.text) is not trusted


@requirement("fetch:headers")
async def test_fetch_passes_no_headers_of_the_incoming_request(tmp_path: Path) -> None:
    """runtime.md §8.6: `${env.X}` in `headers`; `${headers.X}` only where the file names the
    address."""
    page = computed(lambda heard: Answer(f"{heard.headers['x-a']} {heard.headers['x-b']}"))
    async with site({"/": page}) as web_site, AsyncExitStack() as stack:
        headers = {"X-A": "${env.KEY}", "X-B": "${headers.Authorization}"}
        fetch = await opened(
            stack, "fetch", opening(tmp_path), headers=headers, allow_private_ips=True
        )
        surroundings = msgspec.structs.replace(context(), headers={"authorization": "secret"})
        result = await fetch.call(
            "fetch", {"urls": [f"{web_site.url}/"], "format": "text"}, surroundings
        )
        assert result.text.endswith("\n\nk1 ${headers.Authorization}")


@requirement("memory:path")
async def test_memories_lie_where_the_file_says(tmp_path: Path) -> None:
    """runtime.md §9.6, agent-file.md §7.1: by default in our data, by the file's own id."""
    where = opening(tmp_path)
    digest = hashlib.sha256(where.source.encode()).hexdigest()[:8]
    expected = {
        "": tmp_path / "data" / "memory" / f"agent-{digest}" / "memory.db",
        "notes/m.db": tmp_path / "config" / "notes" / "m.db",
        "${env.SUB}/$SUB/$MISSING/m.db": tmp_path / "config" / "deep" / "deep" / "m.db",
        str(tmp_path / "data" / "m.db"): tmp_path / "data" / "m.db",
    }
    for path, file in expected.items():
        async with AsyncExitStack() as stack:
            memory = await opened(stack, "memory", where, **({"path": path} if path else {}))
            assert len((await memory.tools(around())).specs) == 5
        assert file.is_file()


@requirement("memory:path")
async def test_memories_cannot_lie_elsewhere(tmp_path: Path) -> None:
    """runtime.md §9.6: inside the allowed base directory; the error names file and line."""
    async with AsyncExitStack() as stack:
        where = opening(tmp_path)
        for path in ("../m.db", "~/m.db", "/m.db", "."):
            with pytest.raises(ConfigError, match=r"agent\.yaml:1: path: "):
                await opened(stack, "memory", where, path=path)
        foreign = opening(tmp_path, trusted=False, config_dir=None, source="https://x.test/a.yaml")
        await opened(stack, "memory", foreign, path="m.db")
        assert (tmp_path / "data" / "memory" / foreign.config_id / "m.db").is_file()
        for path in ("../other/memory.db", str(tmp_path / "data" / "m.db")):
            with pytest.raises(ConfigError, match="leads out of"):
                await opened(stack, "memory", foreign, path=path)
        with pytest.raises(ConfigError, match="no data directory"):
            await opened(stack, "memory", Opening(tmp_path, Values({})))


@requirement("memory:scope")
def test_users_of_one_server_have_their_own_memories(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §1.3: the caller is the key, divided by the request's `user`."""
    agent = {"model": model.name, "toolsets": [{"type": "memory"}]}
    server = serve(agent_yaml(scripted.url, {"root": agent}), "--data-dir", str(tmp_path / "data"))

    def answer(heard: Heard) -> Reply:
        last = heard.messages[-1]
        if last["role"] == "tool":
            return say(last["content"])
        if last["content"] == "?":
            return call("get_memories", {})
        return call("add_memory", {"memory": last["content"]})

    model.script(answer)
    said = [("anna", "Anna's cat"), ("ben", "Ben's dog"), ("", "a bird")]
    for user, text in said:
        more: dict[str, Any] = {"user": user} if user else {}
        assert "added successfully" in server.client().chat(text, **more).content
    for user, text in said:
        more = {"user": user} if user else {}
        found = json.loads(server.client().chat("?", **more).content)
        assert [each["memory"] for each in found] == [text]
