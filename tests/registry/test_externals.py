"""Agents of other files in a team. Source: agent-file.md §5.6 and §2.2, runtime.md §11.7."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.parse import parse
from docker_agent.errors import ConfigError
from docker_agent.loader.externals import MAX_FILES, MAX_NESTING, Part, gather
from docker_agent.loader.source import Source
from docker_agent.messages import JSON
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.loader.loading import loaded
from tests.registry.pulling import push
from tests.registry.site import Site, say
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call
from tests.scripted.parts import say as says

Files = Mapping[str, Mapping[str, Mapping[str, JSON]]]
"""By reference, the agents of a file and their keys beside `model`."""


async def team(files: Files, start: str = "main") -> tuple[list[Part], tuple[str, ...], list[str]]:
    """What `gather` makes of files that nobody has to fetch, and what it read, in order."""
    read: list[str] = []

    async def look(source: Source) -> AgentFile:
        read.append(source.name)
        return file(source.name)

    def file(name: str) -> AgentFile:
        agents = {agent: {"model": "a/b", **keys} for agent, keys in files[name].items()}
        return parse(json.dumps({"agents": agents}).encode(), name)

    parts, listed = await gather(file(start), Source(start), look)
    return parts, listed, read


def names(parts: list[Part]) -> list[str]:
    """All agents of a team."""
    return [agent.name for part in parts for agent in part.file.agents]


@requirement("refs:5.6:names")
@pytest.mark.anyio
async def test_names_come_from_references_or_are_given() -> None:
    """agent-file.md §5.6: the last segment without tag or digest, the file's stem, or `name:`; in
    the order of §2.2."""
    digest = "sha256:" + "a" * 64
    one: Mapping[str, Mapping[str, JSON]] = {"root": {}}
    parts, listed, read = await team(
        {
            "main": {
                "root": {
                    "sub_agents": ["helper", "org/second:v1"],
                    "handoffs": ["https://a.test/x/third.yaml?raw=1", "org/second:v1"],
                    "force_handoff": f"r.test:5000/o/fourth@{digest}",
                },
                "helper": {"sub_agents": ["critic:org/second:v1"]},
            },
            "org/second:v1": one,
            "https://a.test/x/third.yaml?raw=1": one,
            f"r.test:5000/o/fourth@{digest}": one,
        }
    )
    assert listed == ("root", "helper", "second", "third", "fourth", "critic")
    assert names(parts) == list(listed)
    assert len(read) == 3
    root = parts[0].file.agents[0]
    assert root.sub_agents == ("helper", "second")
    assert root.handoffs == ("third", "second")
    assert root.force_handoff == "fourth"


@requirement("refs:5.6:colleagues")
@pytest.mark.anyio
async def test_colleagues_come_along_privately_and_strangers_do_not() -> None:
    """agent-file.md §5.6, Q8: delegation inside works, names do not clash, nobody else can reach
    them; §2.2: not listed."""
    parts, listed, _ = await team(
        {
            "main": {"root": {"sub_agents": ["org/lead"]}, "planner": {}},
            "org/lead": {
                "root": {"sub_agents": ["planner", "org/deep"]},
                "planner": {"handoffs": ["root"]},
                "unused": {},
            },
            "org/deep": {"first": {"handoffs": ["second"]}, "second": {"force_handoff": "first"}},
        }
    )
    assert listed == ("root", "planner", "lead")
    assert names(parts)[2:] == ["lead", "lead/planner", "lead/deep", "lead/deep/second"]
    by_name = {agent.name: agent for part in parts for agent in part.file.agents}
    assert by_name["lead"].sub_agents == ("lead/planner", "lead/deep")
    assert by_name["lead/planner"].handoffs == ("lead",)
    assert by_name["lead/deep"].handoffs == ("lead/deep/second",)
    assert by_name["lead/deep/second"].force_handoff == "lead/deep"


@requirement("refs:5.6:bounds")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("files", "said"),
    cast(
        list[tuple[Files, str]],
        [
            (
                {"main": {"root": {"sub_agents": ["a/x", "b/x"]}}, "a/x": {"root": {}}},
                "main:1: agents.root.sub_agents[1]: 'b/x' and 'a/x' would both be called 'x'; "
                "give one another name: 'name:b/x'",
            ),
            (
                {
                    "main": {"root": {"sub_agents": ["a/x"]}},
                    "a/x": {"root": {"handoffs": ["a/y"]}},
                    "a/y": {"root": {"handoffs": ["z:a/x"]}},
                },
                "a/y:1: agents.root.handoffs[0]: agents of other files name each other in a "
                "circle, or more than 10 deep: a/x → a/y → a/x",
            ),
            (
                {"main": {"root": {"sub_agents": ["l/0"]}}}
                | {
                    f"l/{n}": {"root": {"sub_agents": [f"l/{n + 1}"]}}
                    for n in range(MAX_NESTING + 1)
                },
                "more than 10 deep: l/7 → l/8 → l/9 → l/10",
            ),
            (
                {"main": {"root": {"sub_agents": [f"n{n}:l/x" for n in range(MAX_FILES)]}}}
                | {"l/x": {"root": {}}},
                "the team comes from more than 100 files",
            ),
        ],
    ),
)
async def test_clashes_circles_and_crowds_are_errors(files: Files, said: str) -> None:
    """agent-file.md §5.6, E23, E40: at the place that names them."""
    with pytest.raises(ConfigError) as refused:
        await team(files)
    assert said in str(refused.value)


@requirement("refs:5.6:bounds")
@pytest.mark.anyio
async def test_ten_deep_is_not_too_deep() -> None:
    """agent-file.md §5.6: nesting deeper than 10 is an error, 10 is none."""
    chain: Files = {f"l/{n}": {"root": {"sub_agents": [f"l/{n + 1}"]}} for n in range(9)}
    files: Files = {"main": {"root": {"sub_agents": ["l/0"]}}, **chain, "l/9": {"root": {}}}
    parts, listed, _ = await team(files)
    assert (len(parts), listed) == (11, ("root", "0"))


@requirement("refs:5.6:together")
def test_agents_from_a_registry_and_the_web_work_in_one_team(
    open_registry: str, web: Site, scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §11.7: in-process; listed by their names; their own sub-agents work for them."""
    lead, planner, critic = (scripted.model(f"{model.name}-{n}") for n in range(3))
    file = agent_yaml(
        scripted.url,
        {"root": {"model": lead.name, "sub_agents": ["planner"]}, "planner": planner.name},
    )
    asyncio.run(push(f"{open_registry}/team/lead:v1", tmp_path, file.encode()))
    web.on("GET", "/critic.yaml", say(200, agent_yaml(scripted.url, critic.name).encode()))
    agents = {
        "root": {
            "model": model.name,
            "sub_agents": [f"{open_registry}/team/lead:v1", f"judge:{web.url}/critic.yaml"],
        }
    }
    server = serve(agent_yaml(scripted.url, agents))
    listed = server.client().get("/v1/models").json["data"]
    assert [each["id"] for each in listed] == ["root", "lead", "judge"]
    model.script(
        call("transfer_task", {"agent": "lead", "task": "lead it", "expected_output": ""}),
        says("led"),
    )
    lead.script(
        call("transfer_task", {"agent": "lead/planner", "task": "plan it", "expected_output": ""}),
        says("planned"),
    )
    planner.script(says("a plan"))
    assert server.client().chat("go").content == "led"
    assert "plan it" in planner.heard[-1].raw.decode()
    assert "a plan" in lead.heard[-1].raw.decode()
    critic.script(says("good"))
    assert server.client("judge").chat("hi").content == "good"
    assert "lead/planner" not in server.client().get("/v1/models").text
    digest = f"{open_registry}/team/lead@sha256:"
    assert f"{open_registry}/team/lead:v1 is {digest}" in server.log


@requirement("refs:6:restricted")
@pytest.mark.anyio
async def test_agents_from_elsewhere_are_restricted_in_a_local_team(
    web: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """chat-server.md §6: `restricted` and no allow rules without --safety; what that file denies it
    denies its own."""
    agent = {"model": "ollama/x", "toolsets": [{"type": "shell"}]}
    content = {
        "agents": {"root": agent},
        "permissions": {"allow": ["shell"], "deny": ["shell:cmd=rm*"]},
    }
    web.on("GET", "/other.yaml", say(200, json.dumps(content).encode()))
    file: dict[str, JSON] = {
        "agents": {"root": {**agent, "sub_agents": [f"{web.url}/other.yaml"]}},
        "permissions": {"deny": ["write_file"]},
    }
    with caplog.at_level(logging.INFO, "docker_agent"):
        async with loaded(tmp_path, file) as found:
            root, other = found.agents["root"], found.agents["other"]
            assert (root.safety, root.rules) == (None, None)
            assert other.safety == "restricted"
            assert other.rules is not None
            assert [rule.pattern for rule in other.rules.deny] == ["write_file", "shell:cmd=rm*"]
            assert other.rules.allow == ()
    assert "agent root runs in safety mode 'autonomous'" in caplog.text
    assert "agent other runs in safety mode 'restricted', which refuses: shell" in caplog.text
    async with loaded(tmp_path, file, safety_explicit=True) as found:
        assert found.agents["other"].safety is None


@requirement("refs:5.6:elsewhere")
@pytest.mark.anyio
async def test_a_file_from_elsewhere_names_nothing_on_this_machine(
    web: Site, tmp_path: Path
) -> None:
    """agent-file.md §5.2: who wrote that file is not who runs this machine."""
    for target, said in [
        (f"{web.url}/inner.yaml", "over https only"),
        (f"{web.host}/inner/agent", "lies on this machine"),
    ]:
        agents = {"root": {"model": "ollama/x", "sub_agents": [target]}}
        web.on("GET", "/outer.yaml", say(200, json.dumps({"agents": agents}).encode()))
        file: dict[str, JSON] = {
            "agents": {"root": {"model": "ollama/x", "sub_agents": [f"{web.url}/outer.yaml"]}}
        }
        with pytest.raises(ConfigError) as refused:
            async with loaded(tmp_path, file):
                pass
        assert f"{web.url}/outer.yaml:1: agents.root.sub_agents[0]: " in str(refused.value)
        assert said in str(refused.value)
    assert not web.count("GET", "/inner") and not web.count("GET", "/v2")


@requirement("refs:5.6:together")
@pytest.mark.anyio
async def test_what_an_agent_elsewhere_lacks_is_told_with_the_rest(
    web: Site, tmp_path: Path
) -> None:
    """agent-file.md §6.4: reported once, for all files; broken files at the place that names
    them."""
    inner = {"agents": {"root": {"model": "groq/x"}}}
    web.on("GET", "/other.yaml", say(200, json.dumps(inner).encode()))
    root = {"model": "mistral/x", "sub_agents": [f"{web.url}/other.yaml"]}
    file: dict[str, JSON] = {"agents": {"root": root}}
    with pytest.raises(ConfigError) as refused:
        async with loaded(tmp_path, file):
            pass
    assert "GROQ_API_KEY     for agent other (groq/x)" in str(refused.value)
    assert "MISTRAL_API_KEY  for agent root (mistral/x)" in str(refused.value)
    web.on("GET", "/other.yaml", say(200, b"agents:\n  root: {modle: x}\n"))
    with pytest.raises(ConfigError) as refused:
        async with loaded(tmp_path, file, {"MISTRAL_API_KEY": "k"}):
            pass
    assert "agent.yaml:1: agents.root.sub_agents[0]: " in str(refused.value)
    assert f"{web.url}/other.yaml:2: agents.root: unknown key 'modle'" in str(refused.value)
