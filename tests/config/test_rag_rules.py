"""What must hold of a source for retrieval, with the lines of what does not."""

from __future__ import annotations

import json

import pytest

from tests.config.reading import problems
from tests.requirements import requirement

EMBEDDINGS = {"type": "chunked-embeddings", "embedding_model": "a/b"}
PLACE = "rag.docs.strategies[0]"
RANGES = [
    ({"type": "bm25", "k1": -1}, "k1"),
    ({"type": "bm25", "b": 2}, "b"),
    ({"type": "bm25", "threshold": "high"}, "threshold"),
    ({**EMBEDDINGS, "threshold": 1.5}, "threshold"),
    ({**EMBEDDINGS, "vector_dimensions": "big"}, "vector_dimensions"),
    ({**EMBEDDINGS, "similarity_metric": "euclidean"}, "similarity_metric"),
    ({**EMBEDDINGS, "embedding_batch_size": 5_000}, "embedding_batch_size"),
    ({**EMBEDDINGS, "max_embedding_concurrency": -1}, "max_embedding_concurrency"),
]


def said(strategy: object, results: object | None = None, *, inline: bool = False) -> str:
    """What is wrong with a file of one source, on one line each."""
    source: dict[str, object] = {"docs": ["."], "strategies": [strategy], "results": results or {}}
    toolset: dict[str, object] = (
        {"type": "rag", "rag_config": source} if inline else {"type": "think"}
    )
    agent: dict[str, object] = {"model": "a/b", "toolsets": [toolset]}
    rag: dict[str, object] = {} if inline else {"docs": source}
    return "\n".join(problems(json.dumps({"agents": {"root": agent}, "rag": rag})))


@requirement("rag:options")
@pytest.mark.parametrize(
    ("strategy", "complaint"),
    [
        ({}, f"{PLACE}: the key 'type' is missing"),
        ({"type": "bm52"}, f"{PLACE}.type: 'bm52' is no strategy; did you mean 'bm25'?"),
        ({"type": "x"}, "use one of bm25, chunked-embeddings, semantic-embeddings"),
        ({"type": "chunked-embeddings"}, f"{PLACE}: the key 'embedding_model' is missing"),
        ({**EMBEDDINGS, "embedding_model": ""}, f"{PLACE}.embedding_model: must not be empty"),
        ({**EMBEDDINGS, "type": "semantic-embeddings"}, "the key 'chat_model' is missing"),
        (
            {"type": "bm25", "chunking": {"size": 10, "overlap": 10}},
            f"{PLACE}.chunking.overlap: must be smaller than 'size', which is 10",
        ),
        *[(strategy, f"{PLACE}.{key}: ") for strategy, key in RANGES],
    ],
)
def test_a_strategy_is_read_strictly(strategy: dict[str, object], complaint: str) -> None:
    """agent-file.md §2.11: types, ranges, what is needed."""
    assert complaint in said(strategy)
    assert complaint.replace("rag.docs", "agents.root.toolsets[0].rag_config") in said(
        strategy, inline=True
    )


@requirement("rag:options")
@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        ({"fusion": {"strategy": "sum"}}, "rag.docs.results.fusion.strategy: "),
        ({"fusion": {"weights": {"bm25": "much"}}}, "rag.docs.results.fusion.weights.bm25: "),
        ({"fusion": {"weights": {"bm25": -1}}}, "weights.bm25: a weight is 0 or more"),
        ({"fusion": {"weights": {"bm": 1}}}, "weights.bm: 'bm' is no strategy"),
        ({"reranking": {"top_k": 3}}, "results.reranking: the key 'model' is missing"),
    ],
)
def test_what_becomes_of_results_is_read_strictly(results: object, complaint: str) -> None:
    """agent-file.md §2.11: fusion and reranking."""
    assert complaint in said({"type": "bm25"}, results)


@requirement("rag:options")
def test_all_that_the_format_knows_is_taken() -> None:
    """runtime.md §14.1: the whole example; unknown keys of a strategy are let pass."""
    strategies = [
        {"type": "bm25", "k1": 1.5, "b": 0.75, "threshold": 0, "limit": 5, "own": {"key": 1}},
        {
            **EMBEDDINGS,
            "vector_dimensions": 1536,
            "database": "./kb.db",
            "similarity_metric": "cosine_similarity",
            "chunking": {"size": 1500, "overlap": 75, "code_aware": False},
        },
        {**EMBEDDINGS, "type": "semantic-embeddings", "chat_model": "a/b", "ast_context": True},
    ]
    results = {
        "fusion": {"strategy": "rrf", "k": 60, "weights": {"bm25": 0.3}},
        "reranking": {"model": "a/b", "top_k": 0, "threshold": 0.5, "criteria": "Newest first"},
    }
    assert [said(strategy, results) for strategy in strategies] == ["", "", ""]
