"""Files of older versions: which keys each knows, and how they become the current version."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from docker_agent.config import versions
from docker_agent.config.agent_file import Agent, AgentFile, Fallback, Metadata, Permissions
from docker_agent.config.hooks import Hook, Hooks, Matcher
from docker_agent.config.model import Model, Provider
from docker_agent.config.rag import RagSource
from docker_agent.config.toolset import Remote
from docker_agent.config.toolset_rules import KEYS
from tests.config.reading import NAME, problems, read, read_agent
from tests.config.version_table import JSON, cases, with_agent
from tests.requirements import requirement

CASES = [pytest.param(*case, id=f"{case[1]}-{case[0]}") for case in cases()]


def _text(version: int, file: Mapping[str, JSON]) -> str:
    return json.dumps({"version": version, **file})


@requirement("file:1.3:older-hint")
def test_a_file_of_an_older_version_that_does_not_say_so_is_told() -> None:
    """Files from before there were versions give a model's provider as `type`."""
    file = "agents:\n  r: {model: m}\nmodels:\n  m:\n    type: openai\n    model: x\n"
    assert problems(file) == [
        f"{NAME}:5: models.m: unknown key 'type' in version 12; version 1 removed it; "
        "hint: this is a file of version 0; say so with 'version: 0'"
    ]
    assert problems(f"version: 0\n{file}") == []


@requirement("file:1.3:older-hint")
def test_no_older_version_is_named_that_would_not_help() -> None:
    """A key that is new, or one that no version supports any more, rules it out."""
    model = "models:\n  m: {type: openai, model: x, title_model: m}\n"
    assert "hint" not in problems(f"agents:\n  r: {{model: m}}\n{model}")[0]
    assert "hint" not in problems("env: {A: b}\nagents:\n  r: {model: openai/x}\n")[0]


@requirement("file:1.3:known-since")
@pytest.mark.parametrize(("version", "key", "before", "file"), CASES)
def test_a_key_is_unknown_before_its_version_and_known_from_then_on(
    version: int, key: str, before: dict[str, JSON], file: dict[str, JSON]
) -> None:
    """agent-file.md §1.3, the table, and §11, test 3."""
    said = problems(_text(version - 1, before))
    assert any(
        f"unknown key '{key}' in version {version - 1}" in line
        and line.endswith(
            f"hint: version {version} knows this key; raise the top-level version field, "
            f"currently {version - 1}"
        )
        for line in said
    ), said
    assert problems(_text(version, file)) == []
    assert problems(_text(12, file)) == []


@requirement("file:1.3:known-since")
@pytest.mark.parametrize(
    ("skills", "version"),
    [(["local"], 5), (["https://h"], 5), (["pdf"], 8),
     ([{"name": "n", "description": "d", "instructions": "i"}], 9),
     ([{"name": "n", "description": "d", "instructions": "i", "context": "fork",
        "toolsets": ["t"]}], 11)],
)  # fmt: skip
def test_a_form_of_skills_is_unknown_before_its_version(skills: list[JSON], version: int) -> None:
    """agent-file.md §1.3, the row of skills."""
    top: dict[str, JSON] = {"toolsets": {"t": {"type": "think"}}} if version > 10 else {}
    file = with_agent({"skills": skills}, **top)
    assert f"hint: version {version}" in problems(_text(version - 1, file))[0]
    assert problems(_text(version, file)) == []


@requirement("file:1.3:hint")
def test_the_hint_names_the_smallest_version_that_accepts_the_whole_file() -> None:
    """agent-file.md §1.3."""
    said = problems(
        "version: 2\nagents:\n  r:\n    cache: {}\n    safety: strict\n    skills: true\n"
    )
    end = (
        "in version 2; hint: version 12 knows this key; raise the top-level version field, "
        "currently 2"
    )
    assert said == [
        f"{NAME}:4: agents.r: unknown key 'cache' {end}",
        f"{NAME}:5: agents.r: unknown key 'safety' {end}",
        f"{NAME}:6: agents.r: unknown key 'skills' {end}",
    ]


@requirement("file:1.3:hint")
def test_there_is_no_hint_when_no_version_accepts_the_file() -> None:
    """agent-file.md §1.3."""
    said = problems("version: 0\nagents:\n  r:\n    think: true\n    cache: {}\n")
    assert said == [f"{NAME}:5: agents.r: unknown key 'cache' in version 0"]
    said = problems("version: 3\nagents:\n  r:\n    modle: x\n    cache: {}\n")
    assert said == [f"{NAME}:5: agents.r: unknown key 'cache' in version 3"]


@requirement("file:1.3:known-since")
@pytest.mark.parametrize(
    ("version", "file", "said"),
    [
        (1, with_agent({"think": True}), "unknown key 'think' in version 1; version 1 removed it"),
        (
            2,
            with_agent({}, env={"A": "1"}),
            "unknown key 'env' in version 2; version 2 removed it",
        ),
        (7, with_agent({"rag": ["a"]}), "unknown key 'rag' in version 7; version 7 removed it"),
        (2, with_agent({"name": "x"}), "unknown key 'name' in version 2; hint: version 4"),
        (12, with_agent({"think": True}), "unknown key 'think'"),
    ],
)
def test_a_key_that_was_removed_is_unknown(version: int, file: dict[str, JSON], said: str) -> None:
    """agent-file.md §1.3: gone after."""
    assert said in problems(_text(version, file))[0]


@requirement("file:1.3:known-since")
def test_every_key_of_the_current_version_has_a_row() -> None:
    """agent-file.md §1.3: the table is whole."""
    hooks = versions.AGENT.one["hooks"]
    shapes: list[tuple[type[msgspec.Struct], versions.Known, set[str]]] = [
        (AgentFile, versions.FILE, set()),
        (Agent, versions.AGENT, {"models", "merged_commands", "merged_skills"}),
        (Model, versions.MODEL, set()),
        (Provider, versions.PROVIDER, set()),
        (Fallback, versions.AGENT.one["fallback"], set()),
        (Hooks, hooks, set()),
        (Hook, hooks.each["stop"], set()),
        (Matcher, hooks.each["pre_tool_use"], set()),
        (Metadata, versions.FILE.one["metadata"], set()),
        (Permissions, versions.FILE.one["permissions"], set()),
        (Remote, versions.REMOTE, set()),
        (RagSource, versions.RAG, set()),
    ]
    for shape, known, derived in shapes:
        declared = {field.encode_name for field in msgspec.structs.fields(shape)}
        assert declared - derived - {"source"} <= set(known.keys), shape
    assert set(KEYS) <= set(versions.TOOLSET.keys)


@requirement("file:1.3:upgrade-0")
def test_shorthands_of_version_0_become_toolsets_before_the_agents_own() -> None:
    """agent-file.md §1.3 and §11, test 4."""
    agent = read_agent("""
        version: 0
        agents:
          root:
            model: m
            name: ignored
            toolsets: [{type: shell}]
            memory: {path: ./m.db}
            think: true
            todo: {shared: true}
        models:
          m: {type: openai, model: gpt}
    """)
    found = [(toolset.type, toolset.options.plain()) for toolset in agent.toolsets]
    assert found == [
        ("todo", {"shared": True}),
        ("think", {}),
        ("memory", {"path": "./m.db"}),
        ("shell", {}),
    ]


@requirement("file:1.3:upgrade-0")
def test_shorthands_of_version_0_may_be_off_or_without_toolsets_beside_them() -> None:
    """agent-file.md §1.3."""
    file = read("""
        version: 0
        agents:
          a: {model: m, todo: true}
          b: {model: m, todo: false, think: false}
        models:
          m: {type: openai, model: gpt}
    """)
    assert [[toolset.type for toolset in agent.toolsets] for agent in file.agents] == [["todo"], []]
    assert file.models["m"].provider == "openai"
    assert file.version == "0"


@requirement("file:1.3:upgrade-1")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nenv: {A: 1}\nagents: {}\n", "2: env:"),
        ("version: 0\nmodels:\n  m:\n    type: openai\n    env: {A: 1}\n", "5: models.m.env:"),
        ("version: 1\nagents:\n  r:\n    toolsets:\n      - {type: shell, env_file: [a]}\n",
         "5: agents.r.toolsets[0].env_file:"),
    ],
)  # fmt: skip
def test_variables_in_old_files_are_no_longer_supported(text: str, said: str) -> None:
    """agent-file.md §1.3: 1 → 2."""
    (line,) = problems(text)
    assert line.startswith(f"{NAME}:{said}")
    assert line.endswith("is no longer supported; set variables in the environment")


@requirement("file:1.3:upgrade-1")
def test_empty_variables_in_old_files_are_dropped() -> None:
    """agent-file.md §1.3: 1 → 2, non-empty ones are errors."""
    file = read("version: 1\nenv: {}\nmodels: {m: {provider: a, model: b, env: }}\nagents: {}\n")
    assert file.models["m"].model == "b"


@requirement("file:1.3:upgrade-5")
def test_a_sandbox_of_an_old_toolset_is_dropped() -> None:
    """agent-file.md §1.3: 5 → 6."""
    agent = read_agent(
        "version: 5\nagents: {r: {model: a/b, toolsets: [{type: shell, sandbox: {x: 1}}]}}"
    )
    assert agent.toolsets[0].options.plain() == {}


@requirement("file:1.3:upgrade-6")
def test_the_rag_list_of_an_old_agent_becomes_toolsets_behind_its_own() -> None:
    """agent-file.md §1.3: 6 → 7."""
    agent = read_agent("""
        version: 6
        agents:
          root: {model: a/b, toolsets: [{type: think}], rag: [docs, code]}
        rag:
          docs: {docs: [./docs], strategies: [{type: bm25}]}
          code: {docs: [./src]}
    """)
    found = [(toolset.type, toolset.name) for toolset in agent.toolsets]
    assert found == [("think", ""), ("rag", "docs"), ("rag", "code")]
    config = agent.toolsets[2].options.get("rag_config")
    assert config is not None
    assert config.plain() == {"docs": ["./src"]}


@requirement("file:1.3:memory-path")
@pytest.mark.parametrize(("version", "accepted"), [(2, False), (6, False), (7, True), (12, True)])
def test_memory_needed_a_path_until_version_7(version: int, accepted: bool) -> None:
    """agent-file.md §1.3: validator differences."""
    said = problems(
        f"version: {version}\nagents:\n  r:\n    model: a/b\n    toolsets: [{{type: memory}}]\n"
    )
    assert (said == []) == accepted
    if not accepted:
        assert said == [
            f"{NAME}:5: agents.r.toolsets[0]: a memory toolset needs a 'path' in version {version}"
        ]
