"""What an agent file declares about sources for retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from docker_agent.config.marks import REST, Count
from docker_agent.config.tree import NOWHERE, Placed, Raw


class RagTool(Placed, frozen=True, kw_only=True):
    """How the tool of a source is shown to models."""

    name: str = ""
    description: str = ""
    instruction: str = ""


class Chunking(Placed, frozen=True, kw_only=True):
    """How documents are cut; `size` and `overlap` in characters."""

    size: Count | None = None
    overlap: Count | None = None
    respect_word_boundaries: bool = True
    code_aware: bool = False


class RagStrategy(Placed, frozen=True, kw_only=True):
    """One way to search; keys of its own stay in `parameters`."""

    type: str = ""
    docs: tuple[str, ...] = ()
    database: str = ""
    limit: Count = 5
    chunking: Chunking | None = None
    parameters: Annotated[Raw, REST] = NOWHERE


class Bm25Keys(msgspec.Struct, frozen=True):
    """The keys of its own that a strategy `bm25` has."""

    k1: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.5
    b: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.75
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class EmbeddingKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of its own that a strategy `chunked-embeddings` has."""

    embedding_model: str
    vector_dimensions: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 0
    similarity_metric: Literal["", "cosine_similarity"] = ""
    threshold: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.5
    embedding_batch_size: Annotated[int, msgspec.Meta(ge=0, le=2_048)] = 0
    max_embedding_concurrency: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    max_indexing_concurrency: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class SemanticKeys(EmbeddingKeys, frozen=True, kw_only=True):
    """The keys of its own that a strategy `semantic-embeddings` has; `semantic_prompt` is a
    template."""

    chat_model: str
    semantic_prompt: str = ""
    ast_context: bool = False


STRATEGIES: Mapping[str, type[Bm25Keys] | type[EmbeddingKeys]] = {
    "bm25": Bm25Keys,
    "chunked-embeddings": EmbeddingKeys,
    "semantic-embeddings": SemanticKeys,
}
"""The ways to search, and the keys each has of its own."""


class Fusion(Placed, frozen=True, kw_only=True):
    """How the results of several strategies become one list."""

    strategy: Literal["", "rrf", "weighted", "max"] = ""
    k: Count = 60
    weights: Raw | None = None


class Reranking(Placed, frozen=True, kw_only=True):
    """A model that sorts results again; `top_k` 0 means all."""

    model: str = ""
    top_k: Count = 0
    threshold: float = 0.5
    criteria: str = ""


class RagResults(Placed, frozen=True, kw_only=True):
    """What a search gives back."""

    limit: Count = 15
    deduplicate: bool = True
    include_score: bool = False
    return_full_content: bool = False
    fusion: Fusion | None = None
    reranking: Reranking | None = None


class RagSource(Placed, frozen=True, kw_only=True):
    """One source of `rag`, or the `rag_config` of a toolset."""

    name: str = ""
    description: str = ""
    instruction: str = ""
    tools: tuple[str, ...] = ()
    defer: bool | tuple[str, ...] = False
    tool: RagTool | None = None
    docs: tuple[str, ...] = ()
    respect_vcs: bool = True
    strategies: tuple[RagStrategy, ...] = ()
    results: RagResults = msgspec.field(default_factory=RagResults)
