"""From a file to a live team: what stops the start, what is told, what then answers."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from docker_agent.errors import ConfigError
from docker_agent.loader.generations import open_generations
from docker_agent.loader.source import Source, find_source
from docker_agent.messages import JSON
from docker_agent.runtime.agent import Team
from tests.harness import agent_yaml
from tests.loader.loading import answer, complaint, loaded, models, write
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import fail, say

pytestmark = pytest.mark.anyio


@requirement("loader:preflight")
async def test_all_missing_variables_are_told_at_once(tmp_path: Path) -> None:
    """agent-file.md §6.4: of all agents, sorted, each once, with advice; empty is missing."""
    file: dict[str, JSON] = {
        "providers": {"mine": {"base_url": "http://${HOST}/v1", "token_key": "MINE"}},
        "models": {"custom": {"provider": "mine", "model": "${NAME}"}},
        "agents": {
            "root": {"model": "groq/x", "sub_agents": ["a", "b"]},
            "a": {"model": "groq/y,openai/z"},
            "b": {"model": "custom"},
        },
    }
    text = await complaint(tmp_path, file, {"OPENAI_API_KEY": "", "HOST": "h"})
    assert text.startswith("these environment variables are needed and not set:\n")
    listed = [line.split(maxsplit=1) for line in text.split("\n") if line.startswith("  ")]
    assert listed == [
        ["GROQ_API_KEY", "for agent root (groq/x), agent a (groq/y)"],
        ["MINE", "for agent b (custom)"],
        ["NAME", "for agent b (custom)"],
        ["OPENAI_API_KEY", "for agent a (openai/z)"],
    ]
    for word in ("export NAME=", "--env-from-file", "pass", "local/smollm2"):
        assert word in text


@requirement("loader:preflight")
@pytest.mark.parametrize(
    "model",
    [
        {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1"},
        {"provider": "ollama", "model": "x"},
        {"provider": "mine", "model": "x"},
    ],
)
async def test_some_models_need_nothing(tmp_path: Path, model: JSON) -> None:
    """agent-file.md §6.4: base_url suppresses, ollama and keyless definitions need none."""
    file = {
        "providers": {"mine": {"base_url": "http://127.0.0.1:9/v1"}},
        "models": {"m": model},
        **models(root="m"),
    }
    async with loaded(tmp_path, file) as team:
        assert team.default == "root"


@requirement("loader:preflight")
async def test_a_fallback_without_its_key_stops_the_start_too(tmp_path: Path) -> None:
    """agent-file.md §6.4 and E36: not in the preflight, but when it is built."""
    file = {"agents": {"root": {"model": "ollama/x", "fallback": {"models": ["groq/y"]}}}}
    assert "GROQ_API_KEY environment variable is required" in await complaint(tmp_path, file)


@requirement("loader:providers", "file:8:E13")
async def test_a_provider_that_cannot_be_reached_stops_the_start(tmp_path: Path) -> None:
    """agent-file.md E13: at its place in the file, before keys are looked for."""
    texts = {
        "nobody": "unknown provider type 'nobody'; known are ",
        "opnai": "unknown provider type 'opnai'; did you mean 'openai'? Known are ",
    }
    for provider, text in texts.items():
        named = {"models": {"m": {"provider": provider, "model": "x"}}, **models(root="m")}
        assert f"agent.yaml:1: models.m.provider: {text}" in await complaint(tmp_path, named)
        assert text in await complaint(tmp_path, models(root=f"{provider}/x"))


@requirement("loader:providers", "file:8:E13")
async def test_a_definition_of_an_unspoken_provider_stops_the_start(tmp_path: Path) -> None:
    """agent-file.md §3.1 and E13: the definition's word is named, and what may be meant by it."""
    texts = {"antropic": "unknown provider type 'antropic'; did you mean 'anthropic'?"}
    for provider, text in texts.items():
        file = {
            "providers": {"mine": {"provider": provider}},
            "models": {"m": {"provider": "mine", "model": "x"}},
            **models(root="m"),
        }
        assert text in await complaint(tmp_path, file)


@requirement("loader:guards")
@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"harness": {"type": "codex"}}, "agents with a harness cannot be served"),
    ],
)
async def test_a_guard_that_is_not_built_stops_the_start(
    tmp_path: Path, keys: dict[str, JSON], text: str
) -> None:
    """DESIGN.md §8: a security option that cannot be honoured never switches itself off."""
    file = {"agents": {"root": {"model": "ollama/x", **keys}}}
    assert text in await complaint(tmp_path, file)


@requirement("loader:wishes")
async def test_a_wish_that_is_not_granted_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """DESIGN.md §8: the agent is served; the operator is told."""
    root = {"model": "ollama/x", "toolsets": [{"type": "open_url", "url": "https://a.example"}]}
    file = {"runtime": {"sandbox": True}, "agents": {"root": root}}
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, file) as team:
            assert list(team.agents) == ["root"]
    said = [record.getMessage() for record in caplog.records]
    for wish in ("sandbox", "open_url"):
        assert sum(wish in one for one in said) == 1
    assert len(said) == len(set(said))


@requirement("loader:agent-flag")
async def test_an_agent_that_is_not_there_is_an_error_that_names_those_that_are(
    tmp_path: Path,
) -> None:
    """agent-file.md E41: `--agent`."""
    file = models(root="ollama/x", helper="ollama/y")
    text = await complaint(tmp_path, file, agent="nobody")
    assert text == "agent 'nobody' not found; there are: root, helper"
    async with loaded(tmp_path, file, agent="helper"):
        pass


@requirement("loader:team")
async def test_the_default_agent_is_root_else_the_first(tmp_path: Path) -> None:
    """agent-file.md §2.2: the order is the file's."""
    async with loaded(tmp_path, models(b="ollama/x", a="ollama/x")) as team:
        assert (team.default, team.listed) == ("b", ("b", "a"))
    async with loaded(tmp_path, models(b="ollama/x", root="ollama/x")) as team:
        assert (team.default, team.listed) == ("root", ("b", "root"))
    assert "no agents" in await complaint(tmp_path, {"agents": {}})


@requirement("loader:team")
async def test_what_the_file_says_reaches_the_live_agent(tmp_path: Path) -> None:
    """agent-file.md §2.3 and §12: limits, texts with variables, rules, modes, links."""
    root: dict[str, JSON] = {
        "model": "ollama/x",
        "description": "for ${env.WHO}",
        "instruction": "Serve ${env.WHO}.",
        "max_iterations": 3,
        "max_consecutive_tool_calls": 4,
        "num_history_items": 5,
        "max_old_tool_call_tokens": 6,
        "max_tool_result_tokens": 7,
        "safety": "balanced",
        "handoffs": ["b"],
        "structured_output": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }
    file: dict[str, JSON] = {
        "agents": {"root": root, "b": {"model": "ollama/x", "force_handoff": "root"}},
        "permissions": {"allow": ["a*"], "ask": ["b"], "deny": ["c:d=e"]},
        "runtime": {"safety": "restricted"},
    }
    async with loaded(tmp_path, file, {"WHO": "Ann"}) as team:
        live, other = team.agents["root"], team.agents["b"]
        assert (live.description, live.instruction) == ("for Ann", "Serve Ann.")
        limits = live.limits
        assert (limits.max_iterations, limits.repeats, limits.history_items) == (3, 4, 5)
        assert (limits.old_tool_tokens, limits.result_tokens) == (6, 7)
        assert (live.safety, other.safety) == ("restricted", "restricted")
        assert (live.handoffs, other.force_handoff, other.limits.repeats) == (("b",), "root", 5)
        assert live.format is not None
        assert (live.format.name, live.format.strict) == ("n", True)
        assert [rule.pattern for rule in team.rules.allow] == ["a*"]
        assert [rule.pattern for rule in team.rules.deny] == ["c:d=e"]


@requirement("loader:trust", "chat:6:remote")
async def test_a_file_from_elsewhere_allows_nothing_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """chat-server.md §6: its allow rules count only when the operator chose a mode."""
    file = {**models(root="ollama/x"), "permissions": {"allow": ["a"], "deny": ["b"]}}
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, file, local=False) as team:
            assert (len(team.rules.allow), len(team.rules.deny)) == (0, 1)
    assert "allow rules" in caplog.text
    async with loaded(tmp_path, file, local=False, safety_explicit=True) as team:
        assert len(team.rules.allow) == 1


@requirement("loader:refusals")
async def test_the_log_names_the_tools_that_a_mode_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §6.4: per agent, at the start."""
    root = {"model": "ollama/x", "toolsets": [{"type": "filesystem"}]}
    file = {"agents": {"root": root}, "permissions": {"allow": ["write_file"]}}
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, file, safety="restricted"):
            pass
    [line] = [one for one in map(logging.LogRecord.getMessage, caplog.records) if "refuses" in one]
    assert line.startswith("agent root runs in safety mode 'restricted', which refuses: ")
    assert "edit_file" in line
    assert "write_file" not in line
    assert "read_file" not in line


@requirement("loader:alloy")
async def test_an_alloy_of_the_file_asks_all_its_models(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §2.7.2: one of them for each call."""
    model.script(say("one"))
    second = scripted.model(f"{model.name}-2").script(say("two"))
    file = agent_yaml(
        scripted.url,
        {"root": {"model": model.name}, "other": {"model": second.name}},
        models={"mixed": {"model": model.name}},
    ).replace('"model": "root"', '"model": "mixed, other"')
    async with loaded(tmp_path, file) as team:
        said = {await answer(team.agents["root"]) for _ in range(40)}
    assert said == {"one", "two"}


@requirement("loader:fallback")
@pytest.mark.parametrize(
    ("fallback", "tries"), [({}, 3), ({"retries": 1}, 2), ({"retries": -1}, 1), ({"retries": 0}, 3)]
)
async def test_a_fallback_of_the_file_answers_in_its_turn(
    tmp_path: Path, scripted: Scripted, model: Model, fallback: dict[str, JSON], tries: int
) -> None:
    """agent-file.md §3.10: retries 0 or absent 2, -1 none; then the next model."""
    model.script(fail(500))
    spare = scripted.model(f"{model.name}-spare").script(say("spare"))
    root = {"model": model.name, "fallback": {"models": ["spare"], **fallback}}
    file = agent_yaml(scripted.url, {"root": root}, models={"spare": {"model": spare.name}})
    async with loaded(tmp_path, file) as team:
        assert await answer(team.agents["root"]) == "spare"
    assert (len(model.heard), len(spare.heard)) == (tries, 1)


@requirement("loader:fallback")
async def test_agents_share_a_model_but_not_its_cooldown(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.10: the pin is per agent."""
    model.script(fail(401))
    spare = scripted.model(f"{model.name}-spare").script(say("spare"))
    keys = {"model": "first", "fallback": {"models": ["spare"]}}
    file = {
        "providers": {"mine": {"base_url": scripted.url, "api_type": "openai_chatcompletions"}},
        "models": {
            "first": {"provider": "mine", "model": model.name},
            "spare": {"provider": "mine", "model": spare.name},
        },
        "agents": {"root": keys, "other": keys},
    }
    async with loaded(tmp_path, file) as team:
        for _ in range(3):
            assert await answer(team.agents["root"]) == "spare"
        assert len(model.heard) == 1
        await answer(team.agents["other"])
        assert len(model.heard) == 2


@requirement("loader:generations")
async def test_a_changed_file_takes_over_and_a_bad_one_does_not(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """DESIGN.md §8: SIGHUP reloads agent files; a bad file keeps the old ones."""

    def opening() -> AbstractAsyncContextManager[Team]:
        return loaded(tmp_path, (tmp_path / "next.yaml").read_text())

    def following(content: str) -> None:
        (tmp_path / "next.yaml").write_text(content)

    following(agent_yaml(scripted.url, {"root": model.name}))
    async with open_generations(opening) as teams:
        async with teams.current() as old:
            following(agent_yaml(scripted.url, {"fresh": model.name}))
            await teams.reload()
            assert tuple(teams.peek().agents) == ("fresh",)
            assert await answer(old.agents["root"]) == "hi"
        following("agents: {root: {model: groq/x}}")
        with pytest.raises(ConfigError, match="GROQ_API_KEY"):
            await teams.reload()
        following("agents: [")
        with pytest.raises(ConfigError):
            await teams.reload()
        assert tuple(teams.peek().agents) == ("fresh",)
        async with teams.current() as team:
            assert (await answer(team.agents["fresh"])) == "hi"


@requirement("loader:source")
@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("Nothing", "Nothing is not a file here, and 'Nothing' is not a valid reference"),
        ("http://a.test/agent", "agent files are fetched over https only"),
        ("a\0b.yaml", "must not hold a NUL character"),
        ("DIR", "DIR is a directory; name an agent file in it"),
        ("missing.yaml", "reading config file missing.yaml: No such file or directory"),
    ],
)
def test_what_is_no_agent_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, text: str
) -> None:
    """agent-file.md E1 and §5.1: the reference, the reason, and what would be right."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        find_source(reference.replace("DIR", str(tmp_path))).read()
    assert text in str(refused.value).replace(str(tmp_path), "DIR")


@requirement("loader:source")
def test_a_file_is_read_once_up_to_its_limit(tmp_path: Path) -> None:
    """agent-file.md §5.1: bytes as they are; what is too large is no agent file."""
    path = write(tmp_path, "agents: {}")
    source = find_source(str(path))
    assert (source.read(), source.directory, source.local) == (b"agents: {}", tmp_path, True)
    with path.open("wb") as file:
        file.truncate(10 * 1024 * 1024 + 1)
    with pytest.raises(ConfigError, match="is larger than"):
        source.read()
    assert find_source("-") == Source("-")


@requirement("runtime:16.2:file")
async def test_a_cache_stays_in_its_folder(tmp_path: Path) -> None:
    """agent-file.md §2.4: a relative path must not escape."""
    file = models(root="ollama/x")
    file["agents"]["root"]["cache"] = {"enabled": True, "path": "../x.json"}
    said = await complaint(tmp_path, file)
    assert "agents.root.cache.path: '../x.json' leads out of DIR" in said
