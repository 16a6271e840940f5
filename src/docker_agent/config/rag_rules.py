"""What must hold of a source for retrieval, beyond the types of its keys. Source: agent-file.md
§2.11, runtime.md §14."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from docker_agent.config.convert import convert, convert_as, did_you_mean
from docker_agent.config.rag import STRATEGIES, Bm25Keys, EmbeddingKeys, RagSource, RagStrategy
from docker_agent.config.toolset import Toolset
from docker_agent.config.tree import Raw, Scalar
from docker_agent.errors import ConfigError


def rag_problems(source: RagSource) -> Iterator[ConfigError]:
    """Everything wrong with one source."""
    for strategy in source.strategies:
        yield from _strategy_problems(strategy)
    fusion = source.results.fusion
    if fusion is not None and fusion.weights is not None:
        try:
            weights: Mapping[str, float] = convert_as(fusion.weights, Mapping[str, float])
        except ConfigError as exc:
            yield exc
            return
        for name, weight in weights.items():
            if weight < 0:
                yield fusion.weights.key_error(name, "a weight is 0 or more")
            if name not in STRATEGIES:
                yield fusion.weights.key_error(name, _no_strategy(name))
    reranking = source.results.reranking
    if reranking is not None and not reranking.model:
        yield reranking.error("the key 'model' is missing")


def sources_of(toolsets: Iterable[Toolset]) -> Iterator[RagSource]:
    """The sources that stand in toolsets, or were put there for their `ref`."""
    for toolset in toolsets:
        inline = toolset.options.get("rag_config") if toolset.type == "rag" else None
        if inline is not None:
            yield convert(inline, RagSource)


def embedding_models(source: RagSource) -> Iterator[Raw]:
    """The references to models that make vectors."""
    yield from _references(source, "embedding_model")


def chat_models(source: RagSource) -> Iterator[Raw]:
    """The references to models that answer."""
    yield from _references(source, "chat_model")
    if source.results.reranking is not None:
        found = source.results.reranking.source.get("model")
        if found is not None:
            yield found


def _references(source: RagSource, key: str) -> Iterator[Raw]:
    for strategy in source.strategies:
        found = strategy.parameters.get(key)
        if found is not None and isinstance(found.node, Scalar):
            yield found


def strategy_keys(strategy: RagStrategy) -> Bm25Keys | EmbeddingKeys:
    """The keys of its own that a strategy has. Raises `ConfigError`."""
    shape = STRATEGIES[strategy.type]
    return convert(strategy.parameters.only(_names(shape)), shape)


def unknown_keys(strategy: RagStrategy) -> Iterator[str]:
    """A sentence for each key that means nothing to a strategy of this type; the format lets them
    pass (agent-file.md §1.4)."""
    known = _names(STRATEGIES[strategy.type])
    for key, mark in strategy.parameters.key_marks():
        if key not in known:
            hint = did_you_mean(key, (*known, *RagStrategy.__struct_fields__))
            text = f"{key!r} means nothing to {strategy.type} and has no effect{hint}"
            yield str(strategy.source.error(text, line=mark.line))


def _strategy_problems(strategy: RagStrategy) -> Iterator[ConfigError]:
    if not strategy.type:
        yield strategy.error("the key 'type' is missing")
        return
    if strategy.type not in STRATEGIES:
        yield strategy.error(_no_strategy(strategy.type), "type")
        return
    try:
        keys = strategy_keys(strategy)
    except ConfigError as exc:
        yield exc
        return
    for name in ("embedding_model", "chat_model"):
        if getattr(keys, name, None) == "":
            yield strategy.parameters.key_error(name, "must not be empty")
    chunking = strategy.chunking
    if chunking is None or not chunking.size or chunking.overlap is None:
        return
    if chunking.overlap >= chunking.size:
        text = f"must be smaller than 'size', which is {chunking.size}"
        yield chunking.error(text, "overlap")


def _names(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    return shape.__struct_fields__


def _no_strategy(name: str) -> str:
    hint = did_you_mean(name, STRATEGIES) or f"; use one of {', '.join(STRATEGIES)}"
    return f"{name!r} is no strategy{hint}"
