"""Descriptions that stand for pieces, and results that a model judges once more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docker_agent.env.chain import Values
from docker_agent.messages import JSON, Usage
from docker_agent.tools.rag.describing import PROMPT, filled
from docker_agent.tools.rag.lent import Lent, Refused
from docker_agent.tools.rag.reranking import Judging, Reranker
from docker_agent.tools.rag.store import Hit
from tests.requirements import requirement
from tests.tools.rag.shelf import BM25, asked, put, shelf, source
from tests.tools.rag.test_meaning import FILES, Maker, chunked
from tests.tools.surroundings import context

pytestmark = pytest.mark.anyio


class Teller:
    """A model that answers with what it was given, one text after the other; the last repeats."""

    def __init__(self, *said: str | Refused, name: str = "scripted/teller") -> None:
        self.name = name
        self.said = [*said]
        self.heard: list[tuple[str, str, Mapping[str, JSON] | None]] = []

    async def __call__(
        self, instructions: str, question: str, schema: Mapping[str, JSON] | None
    ) -> tuple[str, Usage]:
        self.heard.append((instructions, question, schema))
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, Refused):
            raise said
        return said, Usage(prompt=100, completion=10)


def described(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A strategy by description."""
    return chunked(type="semantic-embeddings", chat_model="teller", **more)


@requirement("rag:semantic")
async def test_a_piece_is_found_by_its_description(tmp_path: Path) -> None:
    """runtime.md §14.2: the description is embedded, the content stays the raw piece."""
    put(tmp_path, {"docs/x.txt": "0xDEADBEEF 17 42"})
    teller, maker = Teller("  Memory addresses of the boiler controller.  "), Maker()
    lent = Lent({"one": maker}, {"teller": teller})
    async with shelf(tmp_path, source(described()), lent=lent) as toolset:
        (found,) = await asked(toolset, "boiler controller")
        assert found["content"] == "0xDEADBEEF 17 42"
        assert maker.texts[0] == "Memory addresses of the boiler controller."
    ((instructions, question, schema),) = teller.heard
    assert (instructions, schema) == ("", None)
    assert "0xDEADBEEF 17 42" in question and "docs/x.txt (piece 0)" in question


@requirement("rag:semantic")
async def test_the_question_is_the_files_own_and_asked_once(tmp_path: Path) -> None:
    """runtime.md §14.2: template values; what was described stays so until something changes."""
    put(tmp_path, {"docs/a.md": "one", "docs/b.md": "two"})
    prompt = "${basename}#${chunk_index} of ${path}: ${content.toUpperCase()} ${env.PLACE}"
    teller = Teller("said")

    def lent(name: str = "scripted/teller") -> Lent:
        teller.name = name
        teller.heard.clear()
        return Lent({"one": Maker()}, {"teller": teller})

    declared = source(described(semantic_prompt=prompt))
    async with shelf(tmp_path, declared, lent=lent()):
        assert sorted(question for _, question, _ in teller.heard) == [
            "a.md#0 of docs/a.md: ONE docs",
            "b.md#0 of docs/b.md: TWO docs",
        ]
    put(tmp_path, {"docs/b.md": "three"})
    async with shelf(tmp_path, declared, lent=lent()):
        assert [question for _, question, _ in teller.heard] == ["b.md#0 of docs/b.md: THREE docs"]
    for again in (
        shelf(tmp_path, declared, lent=lent("scripted/another")),
        shelf(tmp_path, source(described(semantic_prompt="${content}")), lent=lent("x/y")),
    ):
        async with again:
            assert len(teller.heard) == 2
            teller.heard.clear()


@requirement("rag:semantic")
async def test_a_file_from_elsewhere_puts_no_variable_into_its_question(tmp_path: Path) -> None:
    """chat-server.md §6; and no secret of a document leaves (agent-file.md §2.3)."""
    key = "AKIA" + "Q3EGRIBCL5WZ7HXK"
    put(tmp_path, {"docs/a.md": f"the key is {key}"})
    teller = Teller("said")
    declared = source(described(semantic_prompt="<${env.PLACE}> ${content}"))
    lent = Lent({"one": Maker()}, {"teller": teller})
    async with shelf(tmp_path, declared, lent=lent, trusted=False):
        assert [question for _, question, _ in teller.heard] == ["<> the key is [REDACTED]"]


@requirement("rag:semantic")
def test_what_a_piece_says_is_never_evaluated() -> None:
    """runtime.md §8.6: values are handed in as data."""
    values: dict[str, JSON] = {
        "path": "${content}",
        "basename": "b",
        "chunk_index": 3,
        "content": "${path} ${1+1} `\\",
        "ast_context": "",
    }
    for template in (PROMPT, "${path}|${content}", "${content + ''}|${chunk_index + 1}"):
        assert "${path} ${1+1} `\\" in filled(template, values, Values({}).get)
    assert filled("${path}", values, Values({}).get) == "${content}"
    assert filled("${chunk_index + 1}", values, Values({}).get) == "4"


PLAIN = Judging()
HITS = [Hit(name, name, 0.0, 0, f"text of {name}", 0.5, 0.03) for name in "abcd"]


async def judged(teller: Teller, judging: Judging = PLAIN) -> list[tuple[str, float]]:
    """The order and scores that a judge leaves."""
    found = await Reranker("kb", teller, judging).judged("which", HITS)
    return [(hit.path, hit.score) for hit in found.hits]


@requirement("rag:reranking")
async def test_a_model_sorts_what_was_found(tmp_path: Path) -> None:
    """runtime.md §14.3: scores 0 to 1, those below the threshold dropped, a strict JSON task."""
    teller = Teller('{"scores": [0.2, 0.9, 7, 0.5]}')
    assert await judged(teller) == [("c", 1.0), ("b", 0.9), ("d", 0.5)]
    ((instructions, question, schema),) = teller.heard
    assert "from 0" in instructions and schema is not None
    assert schema["required"] == ["scores"] and schema["additionalProperties"] is False
    assert "Query: which" in question
    assert "Passage 2 (b, changed 1970-01-01):\ntext of b" in question
    teller = Teller('```json\n{"scores": [1, 0.6]}\n```')
    tail = [("a", 1.0), ("b", 0.6), ("c", 0.03), ("d", 0.03)]
    assert await judged(teller, Judging(top_k=2)) == tail
    assert "text of c" not in teller.heard[0][1]


@requirement("rag:reranking")
async def test_criteria_and_instructions_are_the_files_own() -> None:
    """runtime.md §14.3: criteria are put in, `rerank_prompt` replaces the whole."""
    for judging, said in (
        (Judging(criteria="Newest first."), "Also: Newest first."),
        (Judging(criteria="Newest first.", prompt="Judge."), "Judge."),
    ):
        teller = Teller('{"scores": [1, 1, 1, 1]}')
        await judged(teller, judging)
        assert teller.heard[0][0].endswith(said)
    assert teller.heard[0][0] == "Judge."


@requirement("rag:reranking:errors")
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("they are all good", "its answer is no list of scores"),
        ('{"scores": [1]}', "it gave 1 scores for 4 passages"),
        ('{"scores": [1, 1, 1, 1e999]}', "its"),
        (Refused("HTTP 503"), "HTTP 503"),
    ],
)
async def test_a_judge_that_fails_leaves_the_order(
    said: str | Refused, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §14.3: failure → original order; it is asked again the next time."""
    reranker = Reranker("kb", Teller(said, '{"scores": [0, 0, 0, 1]}'), Judging())
    assert (await reranker.judged("q", HITS)).hits == HITS
    assert f"rag kb: the results are not judged: {why}" in caplog.text
    assert [hit.path for hit in (await reranker.judged("q", HITS)).hits] == ["d"]


@requirement("rag:reranking:errors")
async def test_a_judge_that_cannot_be_asked_is_not_asked_again() -> None:
    """runtime.md §14.3: non-retryable failure → disabled until restart."""
    teller = Teller(Refused("HTTP 401", lasting=True), '{"scores": [0, 0, 0, 1]}')
    reranker = Reranker("kb", teller, Judging())
    for _ in range(3):
        assert (await reranker.judged("q", HITS)).hits == HITS
    assert len(teller.heard) == 1
    assert (await reranker.judged("q", [])).hits == []


@requirement("rag:reranking")
async def test_judging_comes_before_the_limit_and_is_counted(tmp_path: Path) -> None:
    """runtime.md §14.3: rerank, then limit; §3: usage."""
    put(tmp_path, FILES | {"docs/z.md": "on monday the bakery opens"})
    teller = Teller('{"scores": [0.6, 0.8]}')
    results = {"limit": 1, "include_score": True, "reranking": {"model": "teller"}}
    lent = Lent({}, {"teller": teller})
    async with shelf(tmp_path, source(BM25, results=results), lent=lent) as toolset:
        (found,) = await asked(toolset, "monday")
        assert found["score"] == 0.8
        result = await toolset.call("kb", {"query": "monday"}, context())
        assert result.usage == Usage(prompt=100, completion=10)
    prompted = msgspec.structs.replace(lent, prompts={"teller": "Judge."})
    async with shelf(tmp_path, source(BM25, results=results), lent=prompted) as toolset:
        await toolset.call("kb", {"query": "monday"}, context())
    assert teller.heard[-1][0] == "Judge."
