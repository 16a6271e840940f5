"""Whatever an old file says that was right in its version, the newest version says the same.
Source: agent-file.md §1.3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.decode import decode
from docker_agent.config.parse import parse
from docker_agent.config.upgrade import upgrade
from docker_agent.errors import ConfigError
from tests.config.reading import NAME
from tests.config.version_table import cases
from tests.requirements import requirement

Tree = dict[str, Any]
ROWS: list[tuple[int, Tree]] = [(version, dict(file)) for version, _, _, file in cases()]
SHORTHANDS: Tree = {
    "agents": {"root": {"model": "m", "todo": True, "think": True, "memory": {"path": "./m.db"}}},
    "models": {"m": {"type": "openai", "model": "x"}},
}


def _merged(first: Tree, second: Tree) -> Tree:
    """Both; of what both say, mappings are joined, lists put behind each other."""
    joined = dict(first)
    for key, value in second.items():
        before = joined.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            joined[key] = _merged(cast(Tree, before), cast(Tree, value))
        elif isinstance(before, list) and isinstance(value, list):
            joined[key] = [*cast("list[Any]", before), *cast("list[Any]", value)]
        else:
            joined[key] = value
    return joined


@st.composite
def old_files(draw: st.DrawFn) -> tuple[int, Tree, bool]:
    """A version below the newest, a file of rows of the table that it knows, and whether it is
    one row, which is right; several may contradict each other."""
    version = draw(st.integers(0, 11))
    known = [file for since, file in ROWS if since <= version]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=6)) if known else []
    file: Tree = SHORTHANDS if version == 0 else {}
    for each in chosen:
        file = _merged(file, each)
    return version, {**file, "version": version}, len(chosen) <= 1


def _declared(text: str) -> Tree:
    """What a file declares, without where it stood and which version it named."""
    file = parse(text.encode(), NAME)
    return cast(Tree, _without_places(msgspec.structs.asdict(file)))


def _without_places(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        found = cast("Mapping[str, object]", value)
        return {
            key: _without_places(each)
            for key, each in found.items()
            if key not in ("source", "version", "file", "path", "node", "line")
        }
    if isinstance(value, tuple | list):
        return [_without_places(each) for each in cast("list[object]", value)]
    return value


@requirement("file:1.3:upgrades-valid")
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.filter_too_much])
@given(old_files())
def test_an_old_file_that_is_right_is_right_in_the_newest_version(
    given: tuple[int, Tree, bool],
) -> None:
    """agent-file.md §1.3: upgraded step by step to 12."""
    version, file, sure = given
    text = json.dumps(file)
    try:
        old = parse(text.encode(), NAME)
    except ConfigError:
        if sure:
            raise
        assume(False)
        return
    assert isinstance(old, AgentFile)
    assert old.version == str(version)
    newer = upgrade(decode(text.encode(), NAME)).plain()
    again = json.dumps({**newer, "version": "12"})
    assert _declared(again) == _declared(text)
