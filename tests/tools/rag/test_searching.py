"""The rag toolset by words: what it finds, how it answers, how it keeps up with its documents."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.rag.toolset import MAX_QUERY, MAX_TEXT
from tests.requirements import requirement
from tests.tools.rag.shelf import BM25, asked, paths, put, shelf, source, until, until_true
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

ANIMALS = {
    "docs/a.md": "elephants elephants walk slowly",
    "docs/b.md": "elephants swim",
    "docs/c.md": "whales swim in oceans, dolphins swim in oceans, oceans are deep",
}


@requirement("rag:bm25")
async def test_scores_are_those_of_bm25(tmp_path: Path) -> None:
    """runtime.md §14.3: idf, k1, b, divided by the number of words, at most 1."""
    put(tmp_path, ANIMALS)
    k1, b = 1.2, 0.5
    strategy = {"type": "bm25", "k1": k1, "b": b}
    async with shelf(tmp_path, source(strategy)) as toolset:
        found = await asked(toolset, "Elephants swim, unicorns?")
    lengths = {"docs/a.md": 4, "docs/b.md": 2, "docs/c.md": 8}
    mean = sum(lengths.values()) / 3

    def part(holding: int, times: int, length: int) -> float:
        rare = math.log((3 - holding + 0.5) / (holding + 0.5) + 1)
        return rare * times * (k1 + 1) / (times + k1 * (1 - b + b * length / mean))

    expected = {
        "docs/a.md": part(2, 2, 4) / 3,
        "docs/b.md": (part(2, 1, 2) + part(2, 1, 2)) / 3,
        "docs/c.md": part(2, 2, 8) / 3,
    }
    got = {each["source_path"]: each["similarity"] for each in found}
    assert got == pytest.approx(expected, abs=1e-4)
    assert list(got.values()) == sorted(got.values(), reverse=True)


@requirement("rag:bm25")
async def test_what_fits_too_little_is_left_out(tmp_path: Path) -> None:
    """agent-file.md §2.11: `threshold` and `limit` of a strategy; scores are at most 1."""
    put(tmp_path, ANIMALS | {f"docs/x{n}.md": "filler text" for n in range(40)})
    async with shelf(tmp_path, source({"type": "bm25", "limit": 2})) as toolset:
        assert len(await asked(toolset, "swim elephants")) == 2
        assert [each["similarity"] for each in await asked(toolset, "elephants")] == [1.0, 1.0]
    async with shelf(tmp_path, source({"type": "bm25", "threshold": 0.8})) as toolset:
        query = "elephants walk unicorns griffins dragons hydras"
        assert await paths(toolset, query) == ["docs/a.md"]
        assert await asked(toolset, "the and for is") == []


@requirement("rag:tool")
async def test_the_tool_is_called_as_the_file_says(tmp_path: Path) -> None:
    """runtime.md §14.4: `tool.name`, else the name; read-only; `query` alone."""
    put(tmp_path, ANIMALS)
    tool = {"name": "search kb!", "description": "Finds animals.", "instruction": "Look first."}
    for declared, name, description, instructions in (
        (source(), "my_kb", "Search the documents of 'my kb'", "## Knowledge Base"),
        (source(tool=tool), "search_kb_", "Finds animals.", "Look first."),
    ):
        async with shelf(tmp_path, declared, name="my kb") as toolset:
            listing = await toolset.tools(around())
            (spec,) = listing.specs
            assert (toolset.name, toolset.scope, spec.read_only) == ("my kb", "team", True)
            assert (spec.name, spec.description.startswith(description)) == (name, True)
            assert listing.instructions.startswith(instructions)
            assert list(spec.parameters["properties"]) == ["query"]


@requirement("rag:results")
async def test_results_are_a_list_of_passages(tmp_path: Path) -> None:
    """runtime.md §14.4: source_path, content, similarity, chunk_index; a score if asked for."""
    text = "alpha beta. " * 10
    put(tmp_path, {"docs/a.md": text + "gamma", "docs/b.md": "delta"})
    chunking = {"size": 60, "overlap": 0}
    strategy = {"type": "bm25", "chunking": chunking}
    async with shelf(tmp_path, source(strategy)) as toolset:
        (found,) = await asked(toolset, "gamma")
        assert found.keys() == {"source_path", "content", "similarity", "chunk_index"}
        assert (found["source_path"], found["chunk_index"]) == ("docs/a.md", 2)
        assert await asked(toolset, "epsilon") == []
    scored = source(strategy, results={"include_score": True, "return_full_content": True})
    async with shelf(tmp_path, scored) as toolset:
        (found,) = await asked(toolset, "gamma")
        assert found["content"] == text + "gamma" and 0 < found["score"] <= 1
        assert len(await asked(toolset, "alpha")) == 1


@requirement("rag:results")
async def test_results_are_few_different_and_not_too_long(tmp_path: Path) -> None:
    """runtime.md §14.4: results.limit is honoured, 40,000 characters in all."""
    put(tmp_path, {f"docs/{n}.md": f"walrus number {n % 4}" for n in range(20)})
    strategy = {"type": "bm25", "limit": 50}
    for results, count in (
        ({}, 4),
        ({"deduplicate": False}, 15),
        ({"deduplicate": False, "limit": 12}, 12),
        ({"limit": 3}, 3),
    ):
        async with shelf(tmp_path, source(strategy, results=results)) as toolset:
            assert len(await asked(toolset, "walrus")) == count
    put(tmp_path, {f"docs/big{n}.md": f"narwhal {n} " + "blah " * 5_000 for n in range(4)})
    full = source({**strategy, "chunking": {"size": 1000}}, results={"return_full_content": True})
    async with shelf(tmp_path, full) as toolset:
        found = await asked(toolset, "narwhal")
    assert [len(each["content"]) > 20_000 for each in found] == [True, False]
    assert found[1]["content"].endswith("more characters are left out]")
    assert sum(len(each["content"]) for each in found) < MAX_TEXT + 200


@requirement("rag:results")
async def test_a_question_must_be_one(tmp_path: Path) -> None:
    """runtime.md §14.4: `query` is required."""
    put(tmp_path, ANIMALS)
    async with shelf(tmp_path) as toolset:
        for query, said in (("  ", "is empty"), ("x" * (MAX_QUERY + 1), "longer than 8000")):
            with pytest.raises(ToolError, match=said):
                await asked(toolset, query)
        for query in ("' OR 1=1 --", '"', "rag_files; DROP TABLE", "*", "NEAR(a b)"):
            assert isinstance(await asked(toolset, query), list)


@requirement("rag:starting")
async def test_until_it_is_indexed_the_tool_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §14.2: background, and an error with the progress until ready; §8.7: a run waits
    for a while, then goes on."""
    put(tmp_path, ANIMALS)
    monkeypatch.setattr("docker_agent.tools.rag.library.PATIENCE", 0.2)
    held = threading.Event()

    def slow(document: object) -> object:
        held.wait(20)
        return read_text(document)  # pyright: ignore[reportArgumentType] - what it was given

    from docker_agent.tools.rag.files import read_text

    monkeypatch.setattr("docker_agent.tools.rag.index.read_text", slow)
    async with shelf(tmp_path, settled=False) as toolset:
        began = time.monotonic()
        (spec,) = (await toolset.tools(around())).specs
        assert time.monotonic() - began < 5
        await until(lambda: "(0/3 files)" in toolset.status.reason)
        assert toolset.status.state == "starting"
        with pytest.raises(ToolError, match=r"is still being indexed \(0/3 files\)"):
            await toolset.call(spec.name, {"query": "swim"}, context())
        held.set()
        await until(lambda: toolset.status.state == "ready")
        assert await paths(toolset, "whales") == ["docs/c.md"]


@requirement("rag:changes")
async def test_it_keeps_up_with_its_documents(tmp_path: Path) -> None:
    """runtime.md §14.2: changed files are indexed again, vanished ones are deleted, while the
    server runs."""
    put(tmp_path, ANIMALS)
    async with shelf(tmp_path) as toolset:
        put(tmp_path, {"docs/b.md": "giraffes now", "docs/new/d.md": "tortoises"})
        (tmp_path / "docs/c.md").unlink()

        now = {
            "giraffes": ["docs/b.md"],
            "tortoises": ["docs/new/d.md"],
            "whales": [],
            "elephants": ["docs/a.md"],
        }

        async def all_found() -> bool:
            assert toolset.status.state == "ready"
            return {word: await paths(toolset, word) for word in now} == now

        await until_true(all_found)


@requirement("rag:incremental")
async def test_what_has_not_changed_is_not_indexed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §14.2: sha256 per file → unchanged files skipped, also after a restart."""
    caplog.set_level("INFO", "docker_agent.tools.rag")
    put(tmp_path, ANIMALS | {"docs/x.bin": b"\0\1"})
    async with shelf(tmp_path):
        assert "3 files are indexed, 4 changed; 1 left out: it is no text" in caplog.text
    rows = _rows(tmp_path)
    os.utime(tmp_path / "docs/a.md")
    put(tmp_path, {"docs/b.md": "giraffes"})
    (tmp_path / "docs/c.md").unlink()
    async with shelf(tmp_path) as toolset:
        assert await paths(toolset, "giraffes") == ["docs/b.md"]
        assert await paths(toolset, "whales") == []
    after = _rows(tmp_path)
    assert after.keys() == {"elephants elephants walk slowly", "giraffes"}
    assert after["elephants elephants walk slowly"] == rows["elephants elephants walk slowly"]
    with closing(sqlite3.connect(tmp_path / "data/rag_kb_bm25.db")) as database:
        counted = database.execute("SELECT chunks, words FROM rag_indexes").fetchall()
        (postings,) = database.execute("SELECT COUNT(*) FROM rag_postings").fetchone()
    assert (counted, postings) == ([(2, 5)], 4)


def _rows(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "data/rag_kb_bm25.db")) as database:
        return dict(database.execute("SELECT content, id FROM rag_chunks").fetchall())


@requirement("rag:incremental")
async def test_other_settings_make_another_index(tmp_path: Path) -> None:
    """runtime.md §14.2: what was cut otherwise is no use; the old index stays for a while."""
    put(tmp_path, {"docs/a.md": "one two three four five six seven"})
    for size, count in ((1_000, 1), (8, 5), (1_000, 1)):
        strategy = {"type": "bm25", "chunking": {"size": size, "overlap": 0}, "limit": 20}
        async with shelf(tmp_path, source(strategy)) as toolset:
            found = await asked(toolset, "one two three four five six seven")
            assert len(found) == count
    database = sqlite3.connect(tmp_path / "data/rag_kb_bm25.db")
    with database:
        database.execute("UPDATE rag_indexes SET used = 0 WHERE chunks > 1")
    async with shelf(tmp_path, source()):
        (left,) = database.execute("SELECT SUM(chunks) FROM rag_indexes").fetchone()
        (chunks,) = database.execute("SELECT COUNT(*) FROM rag_chunks").fetchone()
    database.close()
    assert left == chunks == 2


@requirement("rag:shared-file")
async def test_two_servers_may_keep_one_index(tmp_path: Path) -> None:
    """Two processes with the same file, and two strategies with the same database."""
    put(tmp_path, {f"docs/{n}.md": f"walrus number{n} " * 50 for n in range(30)})
    same = {"type": "bm25", "database": "./kb.db", "chunking": {"size": 100}}
    other = {**same, "chunking": {"size": 300}}
    declared = source(same, other)
    async with (
        shelf(tmp_path, declared, settled=False) as one,
        shelf(tmp_path, declared, settled=False) as two,
    ):
        await until(lambda: "starting" not in (one.status.state, two.status.state))
        put(tmp_path, {"docs/3.md": "giraffe"})

        async def both() -> bool:
            return bool(await paths(one, "giraffe") and await paths(two, "giraffe"))

        await until_true(both)
        assert (one.status.state, two.status.state) == ("ready", "ready")
        assert await paths(one, "number7") == await paths(two, "number7") != []
    with closing(sqlite3.connect(tmp_path / "kb.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (files,) = database.execute("SELECT COUNT(*) FROM rag_files").fetchone()
        assert files == 60
        orphans = "SELECT COUNT(*) FROM rag_postings WHERE chunk NOT IN (SELECT id FROM rag_chunks)"
        assert database.execute(orphans).fetchone() == (0,)
        counted = "SELECT SUM(chunks), SUM(words) FROM rag_indexes"
        kept = "SELECT COUNT(*), SUM(words) FROM rag_chunks"
        assert database.execute(counted).fetchone() == database.execute(kept).fetchone()
        assert oct((tmp_path / "kb.db").stat().st_mode & 0o777) == "0o600"


@requirement("rag:broken")
async def test_a_database_that_is_none_is_told_and_left_alone(tmp_path: Path) -> None:
    """runtime.md §8.4: a failed start contributes nothing, and is told."""
    put(tmp_path, ANIMALS | {"kb.db": "these are my notes, not a database " * 50})
    declared = source({"type": "bm25", "database": "kb.db"}, docs=["docs"])
    async with shelf(tmp_path, declared) as toolset:
        assert toolset.status.state == "failed"
        assert "file is not a database" in toolset.status.reason
        with pytest.raises(ToolError, match="is not a database"):
            await toolset.tools(around())
    assert (tmp_path / "kb.db").read_text().startswith("these are my notes")


@requirement("rag:limits")
async def test_an_index_grows_to_its_bound_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STYLE.md: limits on every size; what is there goes on to answer."""
    put(tmp_path, ANIMALS)
    async with shelf(tmp_path):
        pass
    monkeypatch.setattr("docker_agent.tools.rag.database.MAX_DATABASE", 200 * 1024)
    put(tmp_path, {f"docs/{n}.txt": f"word{n} and more. " * 3_000 for n in range(20)})
    async with shelf(tmp_path) as toolset:
        assert toolset.status.state == "degraded"
        assert "the index is full" in toolset.status.reason
        assert await paths(toolset, "whales") == ["docs/c.md"]
    with closing(sqlite3.connect(tmp_path / "data/rag_kb_bm25.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT COUNT(*) FROM rag_files").fetchone()[0] >= 3


@requirement("rag:broken")
async def test_a_strategy_that_fails_leaves_the_others(tmp_path: Path) -> None:
    """runtime.md §14.3 R: use the survivors, warn."""
    put(tmp_path, ANIMALS | {"kb.db": "no database " * 50})
    broken = {"type": "bm25", "database": "kb.db"}
    async with shelf(tmp_path, source(BM25, broken, docs=["docs"])) as toolset:
        assert toolset.status.state == "degraded"
        assert "not a database" in toolset.status.reason
        assert await paths(toolset, "whales") == ["docs/c.md"]


@requirement("rag:database")
@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("../kb.db", "leads out of"),
        ("/etc/kb.db", "leads out of"),
        ("docs", "is a directory; name a file in it"),
        ("a\0b", "is no path"),
    ],
)
async def test_the_index_lies_beside_the_file_or_among_our_data(
    tmp_path: Path, database: str, said: str
) -> None:
    """agent-file.md §7.1: where data goes."""
    put(tmp_path, ANIMALS)
    with pytest.raises(ConfigError, match=said) as refused:
        async with shelf(tmp_path, source({"type": "bm25", "database": database})):
            pass
    assert "strategies[0].database" in str(refused.value)


@requirement("rag:options")
async def test_a_key_that_means_nothing_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §1.4: extras of a strategy are let pass."""
    put(tmp_path, ANIMALS)
    async with shelf(tmp_path, source({"type": "bm25", "treshold": 0.2})):
        pass
    assert "'treshold' means nothing to bm25 and has no effect; did you mean 'threshold'?" in (
        caplog.text
    )


@requirement("rag:end")
async def test_it_ends_at_once_also_in_the_middle_of_indexing(tmp_path: Path) -> None:
    """chat-server.md §5: within 2 s; nothing half is kept."""
    put(tmp_path, {f"docs/{n}.md": f"word{n} " * 40_000 for n in range(12)})
    before = asyncio.all_tasks()
    async with shelf(tmp_path, settled=False) as toolset:
        await until(lambda: "/12 files)" in toolset.status.reason)
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 2
    assert asyncio.all_tasks() - before == set()
    with closing(sqlite3.connect(tmp_path / "data/rag_kb_bm25.db")) as database:
        counted = database.execute("SELECT COALESCE(SUM(chunks), 0) FROM rag_indexes").fetchone()
        assert counted == database.execute("SELECT COUNT(*) FROM rag_chunks").fetchone()


@requirement("rag:gentle")
async def test_indexing_leaves_the_event_loop_its_turn(tmp_path: Path) -> None:
    """DESIGN.md §5: a stream does not wait for an index."""
    put(tmp_path, {f"docs/{n}.md": f"word{n} some more text " * 8_000 for n in range(8)})
    waits: list[float] = []
    async with shelf(tmp_path, settled=False) as toolset:
        while toolset.status.state == "starting":
            began = time.perf_counter()
            await asyncio.sleep(0)
            waits.append(time.perf_counter() - began)
        assert toolset.status.state == "ready"
    waits.sort()
    assert len(waits) > 100
    assert waits[len(waits) // 2] < 0.002


@requirement("rag:scope")
async def test_two_agents_share_one_library(tmp_path: Path) -> None:
    """runtime.md §1.3: rag belongs to the team; the same source is indexed once."""
    from docker_agent.tools.background import Background

    put(tmp_path, ANIMALS)
    together = Background()
    async with (
        shelf(tmp_path, background=together) as one,
        shelf(tmp_path, background=together) as two,
        shelf(tmp_path, source(docs=["docs/a.md"]), background=together) as three,
    ):
        answers = await asyncio.gather(*(paths(each, "swim") for each in (one, two) * 20))
        assert answers == [["docs/b.md", "docs/c.md"]] * 40
        assert await paths(three, "swim") == []
        results: list[Any] = [json.dumps(await asked(each, "whales")) for each in (one, two)]
        assert results[0] == results[1]
