"""The memory toolset: what it answers, and that nobody reads what another told."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.memory import MAX_LENGTH, MemoryTools, memory_path
from docker_agent.tools.memory_store import open_memory_store
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


@asynccontextmanager
async def remembering(path: Path) -> AsyncGenerator[MemoryTools]:
    """The toolset over a database, at a clock of one second a look."""
    ticks = itertools.count(START, SECOND)
    async with open_memory_store(path, lambda: next(ticks)) as store:
        yield MemoryTools(store)


async def told(memory: MemoryTools, name: str, caller: str = "", /, **arguments: Any) -> str:  # noqa: ANN401 - arguments
    """What a tool answers to one caller."""
    surroundings = msgspec.structs.replace(context(), caller=caller)
    result = await memory.call(name, arguments, surroundings)
    assert not result.is_error
    return result.text


async def kept(memory: MemoryTools, caller: str = "") -> list[str]:
    """What one caller finds."""
    return [each["memory"] for each in json.loads(await told(memory, "get_memories", caller))]


@requirement("memory:tools")
async def test_memories_are_added_read_changed_and_deleted(tmp_path: Path) -> None:
    """runtime.md §9.6: the results, exactly."""
    async with remembering(tmp_path / "memory.db") as memory:
        assert await told(memory, "get_memories") == "[]"
        added = await told(memory, "add_memory", memory="likes tea", category="preference")
        assert added == f"Memory added successfully with ID: {START}"
        assert json.loads(await told(memory, "get_memories")) == [
            {
                "id": str(START),
                "created_at": "2026-09-21T14:13:20Z",
                "memory": "likes tea",
                "category": "preference",
            }
        ]
        changed = await told(memory, "update_memory", id=str(START), memory="likes coffee")
        assert changed == f"Memory with ID {START} updated successfully"
        (found,) = json.loads(await told(memory, "get_memories"))
        assert (found["memory"], found["category"]) == ("likes coffee", "preference")
        await told(memory, "update_memory", id=str(START), memory="likes coffee", category="x")
        assert json.loads(await told(memory, "get_memories"))[0]["category"] == "x"
        gone = await told(memory, "delete_memory", id=str(START))
        assert gone == f"Memory with ID {START} deleted successfully"
        assert await kept(memory) == []


@requirement("memory:search")
async def test_all_words_of_a_search_must_be_in_a_memory(tmp_path: Path) -> None:
    """runtime.md §9.6: any order, any case, parts of words; a category narrows it."""
    async with remembering(tmp_path / "memory.db") as memory:
        for text, category in (
            ("Anna likes green TEA", "preference"),
            ("Straße 100% über_all", "Fact"),
            ("the team meets on Monday", ""),
        ):
            await told(memory, "add_memory", memory=text, category=category)

        async def found(**arguments: str) -> list[str]:
            text = await told(memory, "search_memories", **arguments)
            return [each["memory"][:4] for each in json.loads(text)]

        assert await found(query="tea") == ["Anna", "the "]
        assert await found(query="tea anna") == ["Anna"]
        assert await found(query="tea", category="PREFERENCE") == ["Anna"]
        assert await found(category="fact") == ["Stra"]
        assert await found(query="STRASSE ÜBER_") == ["Stra"]
        assert await found(query="0%") == ["Stra"]
        assert await found(query="_") == ["Stra"]
        assert await found(query="nothing") == []
        assert len(await found(query="  ")) == len(await found()) == 3


@requirement("memory:unknown")
async def test_an_unknown_memory_is_an_error(tmp_path: Path) -> None:
    """runtime.md §9.6: unknown id."""
    async with remembering(tmp_path / "memory.db") as memory:
        for name, more in (("update_memory", {"memory": "x"}), ("delete_memory", {})):
            with pytest.raises(ToolError, match="no memory with the ID 7"):
                await told(memory, name, id="7", **more)
        wrongs: list[dict[str, Any]] = [{}, {"memory": ""}, {"memory": "x" * (MAX_LENGTH + 1)}]
        for wrong in wrongs:
            with pytest.raises(ToolError, match="`memory`"):
                await told(memory, "add_memory", **wrong)


@requirement("memory:scope")
async def test_two_callers_never_see_each_others_memories(tmp_path: Path) -> None:
    """runtime.md §1.3, §9.6: key and user divide them; not even a known id helps."""
    callers = ["", "key", "key/anna", "key/ben", "other", "KEY", "key/%", "' OR 1=1 --"]
    async with remembering(tmp_path / "memory.db") as memory:
        assert memory.scope == "caller"
        ids: dict[str, str] = {}
        for caller in callers:
            text = await told(memory, "add_memory", caller, memory=f"secret of <{caller}>")
            ids[caller] = text.rpartition(" ")[2]
        for caller in callers:
            assert await kept(memory, caller) == [f"secret of <{caller}>"]
            found = await told(memory, "search_memories", caller, query="secret")
            assert len(json.loads(found)) == 1
            for other in set(callers) - {caller}:
                with pytest.raises(ToolError, match="no memory with"):
                    await told(memory, "update_memory", caller, id=ids[other], memory="stolen")
                with pytest.raises(ToolError, match="no memory with"):
                    await told(memory, "delete_memory", caller, id=ids[other])
        for caller in callers:
            assert await kept(memory, caller) == [f"secret of <{caller}>"]


@requirement("memory:scope")
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(min_size=1, max_size=5)), max_size=8))
def test_a_callers_memories_are_what_they_added(
    tmp_path: Path, added: list[tuple[str, str]]
) -> None:
    """runtime.md §1.3: whatever is said, by whom, in whatever order."""

    path = tmp_path / f"{uuid4()}.db"

    async def check() -> None:
        async with remembering(path) as memory:
            for caller, text in added:
                await told(memory, "add_memory", caller, memory=text)
            for caller in "ab":
                assert await kept(memory, caller) == [text for who, text in added if who == caller]

    asyncio.run(check())


@requirement("memory:together")
async def test_many_users_at_once_lose_nothing(tmp_path: Path) -> None:
    """runtime.md §1.1: toolsets must be safe for concurrent use; also two servers on one file."""
    path = tmp_path / "memory.db"
    async with (
        open_memory_store(path, lambda: START) as first,
        open_memory_store(path, lambda: START) as second,
    ):
        tools = [MemoryTools(first), MemoryTools(second)]
        texts = await asyncio.gather(
            *(
                told(tools[number % 2], "add_memory", f"user{number % 5}", memory=f"m{number}")
                for number in range(60)
            )
        )
        assert len({text.rpartition(" ")[2] for text in texts}) == 60
        for user in range(5):
            found = await kept(tools[0], f"user{user}")
            assert sorted(found) == sorted(f"m{n}" for n in range(60) if n % 5 == user)


@requirement("memory:storage")
async def test_memories_outlive_the_server(tmp_path: Path) -> None:
    """runtime.md §9.6: SQLite, in a file that only its owner can read."""
    path = tmp_path / "made" / "here" / "memory.db"
    async with remembering(path) as memory:
        await told(memory, "add_memory", memory="stays")
    async with remembering(path) as memory:
        assert await kept(memory) == ["stays"]
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


@requirement("memory:storage")
async def test_a_database_without_scopes_belongs_to_the_caller_without_key(
    tmp_path: Path,
) -> None:
    """runtime.md §9.6, R: rows without a scope."""
    path = tmp_path / "memory.db"
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE memories (id TEXT PRIMARY KEY, created_at TEXT, memory TEXT)")
    old.execute("INSERT INTO memories VALUES ('1', '2025-01-01T00:00:00Z', 'old')")
    old.commit()
    old.close()
    for _ in range(2):
        async with remembering(path) as memory:
            assert await kept(memory) == ["old"]
            assert await kept(memory, "key") == []


@requirement("memory:storage")
async def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    """STYLE.md, Errors: what was wrong, where."""
    path = tmp_path / "memory.db"
    path.write_text("not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(ConfigError, match=r"memory\.db: this memory database cannot be used"):
        async with remembering(path):
            raise AssertionError
    with pytest.raises(ConfigError):
        async with remembering(tmp_path):
            raise AssertionError


@requirement("memory:path")
def test_a_path_stays_inside_its_directory(tmp_path: Path) -> None:
    """runtime.md §9.6: it must stay inside the allowed base directory."""
    base, data, outside = tmp_path / "base", tmp_path / "data", tmp_path / "outside"
    for each in (base, data, outside):
        each.mkdir()
    (base / "link").symlink_to(outside)
    (base / "sub").mkdir()
    assert memory_path("m.db", base) == base / "m.db"
    assert memory_path("sub/../x/m.db", base) == base / "x/m.db"
    assert memory_path(str(base / "m.db"), base) == base / "m.db"
    assert memory_path(str(data / "m.db"), base, data) == data / "m.db"
    for wrong in ("../m.db", "/etc/m.db", "link/m.db", "sub/../../m.db", str(data / "m.db")):
        with pytest.raises(ConfigError, match="leads out of"):
            memory_path(wrong, base)
    for wrong in ("", ".", "sub"):
        with pytest.raises(ConfigError, match="is a directory"):
            memory_path(wrong, base)


@requirement("memory:instructions")
async def test_the_instructions_say_how_to_remember(tmp_path: Path) -> None:
    """runtime.md §9.6: recall first, silently, no secrets, update, categories."""
    async with remembering(tmp_path / "memory.db") as memory:
        listing = await memory.tools(around())
        for part in ("before you answer", "without mentioning", "secrets", "update_memory rather"):
            assert part in listing.instructions.replace("`", "")
        assert "categories" in listing.instructions
        read_only = {spec.name for spec in listing.specs if spec.read_only}
        assert read_only == {"get_memories", "search_memories"}
        required = {spec.name: spec.parameters["required"] for spec in listing.specs}
        assert required == {
            "add_memory": ["memory"],
            "get_memories": [],
            "search_memories": [],
            "update_memory": ["id", "memory"],
            "delete_memory": ["id"],
        }
        assert await memory.tools(around()) is listing
