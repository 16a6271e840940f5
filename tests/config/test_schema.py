"""The keys of agent files: Structs, version tables and the published schema against a list typed
by hand. Source: agent-file.md §1.3 and §2, DESIGN.md §2."""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from docker_agent import tools
from docker_agent.config import agent_file, hooks, model, rag, skills, toolset, versions
from docker_agent.config.meanings import MEANINGS
from docker_agent.config.schema import agent_file_schema
from docker_agent.config.toolset_rules import KEYS, NAMED_TYPES, TYPES
from tests.config.reading import problems
from tests.config.version_table import JSON, cases
from tests.harness import run_command
from tests.requirements import requirement

ROOT = Path(__file__).parent.parent.parent
LISTED: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests/data/keys.toml").read_text())
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "file": agent_file.AgentFile,
    "agent": agent_file.Agent,
    "model": model.Model,
    "provider": model.Provider,
    "metadata": agent_file.Metadata,
    "remote": toolset.Remote,
    "fallback": agent_file.Fallback,
    "permissions": agent_file.Permissions,
    "runtime": agent_file.Runtime,
    "hooks": hooks.Hooks,
    "hook": hooks.Hook,
    "matcher": hooks.Matcher,
    "rag": rag.RagSource,
    "structured_output": agent_file.StructuredOutput,
    "cache": agent_file.Cache,
    "harness": agent_file.Harness,
    "routing": model.Routing,
    "capabilities": model.Capabilities,
    "task_budget": model.TaskBudget,
    "auth": model.Auth,
    "workload_identity_federation": model.WorkloadIdentity,
    "identity_token": model.IdentityToken,
    "oauth": toolset.OAuth,
    "lifecycle": toolset.Lifecycle,
    "backoff": toolset.Backoff,
    "post_edit": toolset.PostEdit,
    "script_tool": toolset.ScriptTool,
    "api_config": toolset.ApiTool,
    "skill": skills.InlineSkill,
    "rag_tool": rag.RagTool,
    "rag_strategy": rag.RagStrategy,
    "rag_chunking": rag.Chunking,
    "rag_results": rag.RagResults,
    "rag_fusion": rag.Fusion,
    "rag_reranking": rag.Reranking,
}
KNOWN: dict[str, versions.Known] = {
    "file": versions.FILE,
    "agent": versions.AGENT,
    "model": versions.MODEL,
    "provider": versions.PROVIDER,
    "toolset": versions.TOOLSET,
    "metadata": versions.FILE.one["metadata"],
    "remote": versions.REMOTE,
    "fallback": versions.AGENT.one["fallback"],
    "permissions": versions.FILE.one["permissions"],
    "runtime": versions.FILE.one["runtime"],
    "hooks": versions.HOOKS,
    "hook": versions.HOOKS.each["stop"],
    "matcher": versions.HOOKS.each["pre_tool_use"],
    "rag": versions.RAG,
}
NOT_KEYS = {"models", "merged_commands", "merged_skills"}
"""What the loader works out for an agent."""
OLD = {"old-version.yaml"}
"""Examples of versions that the schema does not describe."""
BESIDE = {"rag": {"description"}}
"""Keys of old versions that are still accepted (agent-file.md §9, Q10)."""


def _listed(name: str) -> set[str]:
    """The keys that the newest version knows."""
    table = LISTED[name]
    gone = set(table.get("gone", {}))
    numbered = [table[key].split() for key in table if key.isdigit()]
    words = [word for words in numbered for word in words]
    back = {word for word in words if words.count(word) > 1}
    return {*words, *table.get("keys", "").split()} - (gone - back)


def _declared(shape: type[msgspec.Struct]) -> set[str]:
    skipped = {"source", "parameters", *(NOT_KEYS if shape is agent_file.Agent else ())}
    return {field.encode_name for field in msgspec.structs.fields(shape)} - skipped


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The published schema."""
    return agent_file_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> jsonschema.Draft7Validator:
    """What an editor would say."""
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@requirement("file:2:keys")
@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_the_structs_have_the_keys_of_the_list(name: str) -> None:
    """agent-file.md §2: no key too few, none too many."""
    assert _declared(STRUCTS[name]) - BESIDE.get(name, set()) == _listed(name)


@requirement("file:2:keys")
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_version_tables_are_those_of_the_list(name: str) -> None:
    """agent-file.md §1.3: which version brought which key, and which took it away."""
    spans: dict[str, list[tuple[int, int]]] = {}
    gone: dict[str, int] = LISTED[name].get("gone", {})
    for number in sorted(int(key) for key in LISTED[name] if key.isdigit()):
        for key in LISTED[name][str(number)].split():
            ends = 99 if key in spans else gone.get(key, 99)
            spans.setdefault(key, []).append((number, ends))
    assert {key: list(found) for key, found in KNOWN[name].keys.items()} == spans


@requirement("file:2:keys")
def test_the_toolsets_have_the_keys_of_the_list() -> None:
    """agent-file.md §2.9: which type may have which key."""
    ours = {kind: set(keys.split()) for kind, keys in LISTED["ours"].items()}
    found = {key: set(known.types) for key, known in KEYS.items()}
    found["name"] = set(NAMED_TYPES)
    for kind, keys in ours.items():
        assert {key for key, kinds in found.items() if kind in kinds} == keys
        for kinds in found.values():
            kinds.discard(kind)
    for kind, keys in LISTED["more"].items():
        for key in keys.split():
            found[key].remove(kind)
    assert found == {key: set(kinds.split()) for key, kinds in LISTED["toolset_types"].items()}
    shared = _declared(toolset.Toolset) - {"options"}
    assert shared | set(KEYS) == _listed("toolset")


@requirement("file:schema:structs")
def test_the_schema_has_the_keys_of_the_structs(schema: dict[str, Any]) -> None:
    """DESIGN.md §2: a test compares the Structs with the published schema."""
    definitions = schema["definitions"]
    for name, shape in STRUCTS.items():
        found = schema if name == "file" else definitions[shape.__name__]
        assert set(found["properties"]) == _declared(shape), name
    assert set(definitions["Toolset"]["properties"]) == _listed("toolset")
    assert set(definitions["Toolset"]["properties"]["type"]["enum"]) == TYPES


@requirement("file:schema:structs")
def test_the_options_of_every_adapter_are_in_the_schema(schema: dict[str, Any]) -> None:
    """DESIGN.md §2: the union of all option Structs."""
    known = set(schema["definitions"]["Toolset"]["properties"])
    shapes = list(_option_structs())
    assert len(shapes) >= 8
    for shape in shapes:
        assert _declared(shape) <= known, shape


def _option_structs() -> Iterator[type[msgspec.Struct]]:
    for found in pkgutil.walk_packages(tools.__path__, "docker_agent.tools."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if (
                name.endswith("Options")
                and isinstance(value, type)
                and issubclass(value, msgspec.Struct)
                and value.__module__ == found.name
            ):
                yield value


@requirement("file:schema:structs")
def test_every_key_is_explained(schema: dict[str, Any]) -> None:
    """An editor shows what a key means."""
    for name in ("AgentFile", "Agent", "Model", "Provider", "Toolset"):
        found = schema if name == "AgentFile" else schema["definitions"][name]
        assert set(MEANINGS[name]) == set(found["properties"]), name


@requirement("file:schema:accepts")
@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / "examples").glob("*.yaml") if path.name not in OLD),
    ids=lambda path: path.name,
)
def test_the_schema_accepts_every_example(
    path: Path, validator: jsonschema.Draft7Validator
) -> None:
    """What works shows no error in an editor."""
    assert [str(error) for error in _errors(validator, yaml.safe_load(path.read_text()))] == []


@requirement("file:schema:accepts")
def test_the_schema_accepts_every_key(validator: jsonschema.Draft7Validator) -> None:
    """agent-file.md §1.3: the file of each row of the table."""
    for version, key, _, file in cases():
        found = {"version": "12", **file}
        assert problems(json.dumps(found)) == []
        assert [error.message for error in _errors(validator, found)] == [], (version, key)


_REFUSED: list[tuple[JSON, str]] = [
    ({"agents": {"r": {"modle": "x"}}}, "agents/r"),
    ({"agents": {"r": {"max_iterations": -1}}}, "agents/r/max_iterations"),
    ({"agents": {"r": {"add_date": "yes"}}}, "agents/r/add_date"),
    ({"agents": {"r": {"toolsets": [{"tools": []}]}}}, "agents/r/toolsets/0"),
    ({"agents": {"r": {"toolsets": [{"type": "shel"}]}}}, "agents/r/toolsets/0/type"),
    ({"agents": {"r": {"toolsets": [{"type": "shell", "url": "x"}]}}}, "agents/r/toolsets/0"),
    ({"agents": {"r": {"toolsets": [{"type": "openapi"}]}}}, "agents/r/toolsets/0"),
    ({"agents": {"r": {"skills": "local"}}}, "agents/r/skills"),
    ({"agents": {"r": {"safety": "autonomous"}}}, "agents/r/safety"),
    ({"agents": {"r": {"hooks": {"stop": [{"command": "x"}]}}}}, "agents/r/hooks/stop"),
    ({"models": {"m": {"temperature": "hot"}}}, "models/m/temperature"),
    ({"mcps": {"m": {"type": "shell"}}}, "mcps/m/type"),
    ({"version": "13"}, "version"),
    ({"x-mine": 1}, ""),
]


@requirement("file:schema:refuses")
@pytest.mark.parametrize(("file", "place"), _REFUSED)
def test_the_schema_refuses_what_the_loader_refuses(
    file: JSON, place: str, validator: jsonschema.Draft7Validator
) -> None:
    """The place is the one that an editor underlines."""
    assert problems(json.dumps(file)) != []
    places = {"/".join(map(str, error.absolute_path)) for error in _errors(validator, file)}
    assert place in places


def _errors(validator: jsonschema.Draft7Validator, value: Any) -> list[Any]:  # noqa: ANN401
    return list(validator.iter_errors(value))  # pyright: ignore[reportUnknownMemberType]


@requirement("file:schema:printed")
def test_the_command_prints_what_is_published(tmp_path: Path) -> None:
    """One schema, however it is come by."""
    done = run_command("schema", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    published = (ROOT / "docs/reference/agent-file.schema.json").read_text()
    assert json.loads(done.stdout) == json.loads(published) == agent_file_schema()
