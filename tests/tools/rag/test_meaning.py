"""The rag toolset by meaning: vectors kept, compared, and made anew when they must be."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from array import array
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import Usage
from docker_agent.tools.port import Status
from docker_agent.tools.rag import vectors
from docker_agent.tools.rag.lent import Lent, Refused, Vectors
from docker_agent.tools.rag.vectors import by_python, similarities, unit
from tests.requirements import requirement
from tests.scripted.embeddings import DIMENSIONS, vector
from tests.tools.rag.shelf import BM25, asked, paths, put, shelf, source, until, until_true
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

FILES = {
    "docs/garage.md": "the automobile is repaired on monday",
    "docs/garden.md": "roses want water in the morning",
    "docs/pets.md": "the kitten sleeps on the sofa",
}


class Maker:
    """A model that makes vectors, and remembers of what; `problems` are raised first, one for each
    request."""

    def __init__(self, name: str = "scripted/one", dimensions: int = DIMENSIONS) -> None:
        self.name = name
        self.dimensions = dimensions
        self.requests: list[list[str]] = []
        self.under_way = self.most = 0
        self.problems: list[Refused] = []
        self.held: asyncio.Event | None = None

    @property
    def texts(self) -> list[str]:
        """All texts that were sent."""
        return [text for request in self.requests for text in request]

    async def __call__(self, texts: Sequence[str], dimensions: int) -> Vectors:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await (self.held.wait() if self.held else asyncio.sleep(0.01))
            if self.problems:
                raise self.problems.pop(0)
            self.requests.append(list(texts))
            made = [array("f", vector(text, self.dimensions)) for text in texts]
            return Vectors(made, Usage(prompt=len(texts)))
        finally:
            self.under_way -= 1


def chunked(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A strategy by meaning."""
    return {"type": "chunked-embeddings", "embedding_model": "one", "threshold": 0.1, **more}


def lent(maker: Maker) -> Lent:
    """The model under the name that strategies have for it."""
    return Lent({"one": maker})


@requirement("rag:meaning")
async def test_what_means_the_same_is_found(tmp_path: Path) -> None:
    """runtime.md §14.3: cosine similarity over all rows, those below the threshold dropped."""
    put(tmp_path, FILES)
    async with shelf(tmp_path, source(chunked()), lent=lent(Maker())) as toolset:
        found = await asked(toolset, "a car on monday")
        assert found[0]["source_path"] == "docs/garage.md"
        assert [each["similarity"] for each in found] == sorted(
            (each["similarity"] for each in found), reverse=True
        )
        same = (await asked(toolset, "roses want water in the morning"))[0]
        assert same["similarity"] == 1.0
        result = await toolset.call("kb", {"query": "car"}, context())
        assert result.usage == Usage(prompt=1)
    for threshold, limit, count in ((-1, 2, 2), (-1, 0, 3), (0.95, 5, 0)):
        declared = source(chunked(threshold=threshold, limit=limit))
        async with shelf(tmp_path, declared, lent=lent(Maker())) as toolset:
            assert len(await asked(toolset, "a car on monday")) == count


@requirement("rag:meaning")
@pytest.mark.parametrize("similar", [by_python, similarities()])
def test_numpy_and_python_say_the_same(similar: vectors.Similarities) -> None:
    """The extra makes it faster, not different."""
    kept = [unit(array("f", numbers)) for numbers in ([3, 4], [-3, -4], [4, -3], [0, 0])]
    found = similar(unit(array("f", [6, 8])), kept)
    assert found == pytest.approx([1, -1, 0, 0], abs=1e-6)


@requirement("rag:meaning:batches")
async def test_texts_are_sent_in_batches_a_few_at_once(tmp_path: Path) -> None:
    """agent-file.md §2.11: embedding_batch_size, max_embedding_concurrency,
    max_indexing_concurrency."""
    put(tmp_path, {f"docs/{n}.md": " ".join(f"w{n}x{m}" for m in range(60)) for n in range(6)})
    chunking = {"size": 20, "overlap": 0}
    maker = Maker()
    declared = source(
        chunked(
            chunking=chunking,
            embedding_batch_size=4,
            max_embedding_concurrency=2,
            max_indexing_concurrency=5,
        )
    )
    async with shelf(tmp_path, declared, lent=lent(maker)):
        pass
    assert {len(request) for request in maker.requests} <= {1, 2, 3, 4}
    assert len(maker.texts) == len({*maker.texts}) > 60
    assert maker.most == 2


@requirement("rag:meaning:incremental")
async def test_what_a_model_has_seen_is_not_sent_again(tmp_path: Path) -> None:
    """runtime.md §14.2: unchanged files are skipped; of a changed one only what is new is sent."""
    text = "one two\nthree four\nfive six\n"
    put(tmp_path, {"docs/a.md": text})
    declared = source(chunked(chunking={"size": 11, "overlap": 0}))
    maker = Maker()
    async with shelf(tmp_path, declared, lent=lent(maker)):
        assert maker.texts == ["one two", "three four", "five six"]
    put(tmp_path, {"docs/a.md": text + "seven", "docs/copy.md": text})
    async with shelf(tmp_path, declared, lent=lent(maker)) as toolset:
        assert maker.texts[3:] == ["seven"]
        assert len(await asked(toolset, "three four")) >= 1


@requirement("rag:meaning:changed")
async def test_another_model_makes_the_index_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §14.2 R: a model change or dimension mismatch triggers re-indexing."""
    put(tmp_path, FILES)
    for name, dimensions in (("a/one", 64), ("a/two", 32), ("a/two", 16)):
        maker = Maker(name, dimensions)
        async with shelf(tmp_path, source(chunked()), lent=lent(maker)) as toolset:
            if dimensions == 16:
                assert maker.texts == []
                with pytest.raises(ToolError, match="it makes 16 numbers, the index has 32"):
                    await paths(toolset, "car")

                async def found() -> bool:
                    state = toolset.status.state
                    return state == "ready" and bool(await paths(toolset, "car"))

                await until_true(found)
            assert (await paths(toolset, "automobile"))[0] == "docs/garage.md"
        assert {*FILES.values()} <= {*maker.texts}
    with closing(sqlite3.connect(tmp_path / "data/rag_kb_chunked-embeddings.db")) as database:
        sizes = "SELECT label, dimensions, chunks FROM rag_indexes ORDER BY id"
        label = "kb chunked-embeddings"
        assert database.execute(sizes).fetchall() == [(label, 64, 3), (label, 16, 3)]


@requirement("rag:meaning:changed")
async def test_a_model_that_changes_under_the_index_is_noticed_while_indexing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §14.2 R: all vectors of an index are as long as each other."""
    put(tmp_path, FILES)
    async with shelf(tmp_path, source(chunked()), lent=lent(Maker())):
        pass
    put(tmp_path, {"docs/new.md": "tulips"})
    maker = Maker(dimensions=20)
    declared = source(chunked(vector_dimensions=0))
    async with shelf(tmp_path, declared, lent=lent(maker), settled=False) as toolset:
        await until(lambda: toolset.status.state == "ready")
        assert await paths(toolset, "tulips") == ["docs/new.md"]
    assert {*maker.texts} == {*FILES.values(), "tulips"}
    assert "built anew, as another model answers" in caplog.text
    other = source(chunked(vector_dimensions=512))
    async with shelf(tmp_path, other, lent=lent(maker)) as toolset:
        pass
    assert "vector_dimensions is 512, but scripted/one makes vectors of 20 numbers" in caplog.text


@requirement("rag:meaning:secrets")
async def test_secrets_do_not_leave_with_a_text(tmp_path: Path) -> None:
    """agent-file.md §2.3 `redact_secrets`: models see none; what is kept is redacted with the
    result, as that of every tool."""
    key = "AKIA" + "Q3EGRIBCL5WZ7HXK"
    put(tmp_path, {"docs/a.md": f"the key is {key} and opens the garage"})
    maker = Maker()
    async with shelf(tmp_path, source(chunked()), lent=lent(maker)) as toolset:
        assert key not in maker.texts[0] and "[REDACTED]" in maker.texts[0]
        assert key in (await asked(toolset, "garage"))[0]["content"]


@requirement("rag:meaning:errors")
async def test_a_text_that_a_model_does_not_take_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad file does not keep the others from being found."""
    caplog.set_level(logging.INFO, "docker_agent.tools.rag")
    put(tmp_path, FILES)
    maker = Maker()
    maker.problems = [Refused("the text is too long", input=True, lasting=True)]
    declared = source(chunked(max_indexing_concurrency=1))
    async with shelf(tmp_path, declared, lent=lent(maker)) as toolset:
        assert toolset.status.state == "ready"
        assert sorted(await paths(toolset, "the roses")) == ["docs/garden.md", "docs/pets.md"]
        assert "docs/garage.md" not in await paths(toolset, "automobile")
        assert "2 files are indexed, 3 changed; 1 left out: the text is too long" in caplog.text


@requirement("rag:meaning:errors")
async def test_a_model_that_fails_is_told_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §8.4: once per failure, tried again after a while; what was made is kept."""
    monkeypatch.setattr("docker_agent.tools.rag.index.PAUSES", (0.1,))
    put(tmp_path, FILES)
    maker = Maker()
    maker.problems = [Refused("model one failed: HTTP 503") for _ in range(3)]
    async with shelf(tmp_path, source(chunked()), lent=lent(maker)) as toolset:
        await until(lambda: toolset.status.state == "ready")
        assert (await paths(toolset, "automobile"))[0] == "docs/garage.md"
    assert caplog.text.count("indexing failed and is tried again: model one failed") == 1
    maker.problems = [Refused("model one failed: HTTP 503") for _ in range(100)]
    put(tmp_path, {"docs/new.md": "tulips"})
    async with shelf(tmp_path, source(chunked()), lent=lent(maker)) as toolset:
        assert toolset.status == Status("degraded", "model one failed: HTTP 503")
        maker.problems.clear()
        assert (await paths(toolset, "automobile"))[0] == "docs/garage.md"
    maker.problems = [Refused("model one failed: HTTP 503") for _ in range(100)]
    put(tmp_path, {"other/docs/a.md": "tulips"})
    async with shelf(tmp_path / "other", source(chunked()), lent=lent(maker)) as toolset:
        assert toolset.status == Status("failed", "model one failed: HTTP 503")
        with pytest.raises(ToolError, match="HTTP 503"):
            await toolset.tools(around())


@requirement("rag:fusion")
async def test_words_and_meaning_are_joined_and_the_survivor_answers(tmp_path: Path) -> None:
    """runtime.md §14.3: strategies in parallel; R: use the survivors, warn."""
    put(tmp_path, FILES)
    fusion = {"strategy": "weighted", "weights": {"bm25": 0.5}}
    results = {"fusion": fusion, "include_score": True}
    maker = Maker()
    declared = source(BM25, chunked(), results=results)
    async with shelf(tmp_path, declared, lent=lent(maker)) as toolset:
        first = (await asked(toolset, "automobile monday"))[0]
        assert first["source_path"] == "docs/garage.md"
        assert first["score"] > first["similarity"]
        maker.problems = [Refused("gone")]
        only = await asked(toolset, "automobile monday")
        assert [each["source_path"] for each in only] == ["docs/garage.md"]
        assert only[0]["score"] == only[0]["similarity"]


@requirement("rag:end")
async def test_it_ends_at_once_while_a_model_is_asked(tmp_path: Path) -> None:
    """chat-server.md §5: within 2 s; the request is given up."""
    put(tmp_path, FILES)
    maker = Maker()
    maker.held = asyncio.Event()
    before = asyncio.all_tasks()
    async with shelf(tmp_path, source(chunked()), lent=lent(maker), settled=False):
        await until(lambda: maker.under_way > 0)
    assert maker.under_way == 0
    assert asyncio.all_tasks() - before == set()
