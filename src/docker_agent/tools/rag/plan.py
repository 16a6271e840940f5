"""From what a file says of a source to its indexes: which documents, how they are cut, where the
database lies."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.config.rag import Bm25Keys, EmbeddingKeys, RagSource, RagStrategy, SemanticKeys
from docker_agent.config.rag_rules import strategy_keys, unknown_keys
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import usable_name
from docker_agent.tools.rag.chunks import CODE_SIZE, OVERLAP, SIZE, Cut
from docker_agent.tools.rag.code import has_parser
from docker_agent.tools.rag.describing import PROMPT, ByDescription, Describing
from docker_agent.tools.rag.files import Doc, Docs, read_doc
from docker_agent.tools.rag.index import Index
from docker_agent.tools.rag.lent import NotAsked, NotLent
from docker_agent.tools.rag.meaning import BATCH, REQUESTS, ByMeaning, Nearness
from docker_agent.tools.rag.reranking import Judging, Reranker
from docker_agent.tools.rag.store import Likeness, Store
from docker_agent.tools.rag.strategy import ByWords, Strategy
from docker_agent.tools.rag.vectors import similarities

log = logging.getLogger(__name__)

FORMAT = 1
"""Grows when what is kept of a document changes: older indexes are then built anew."""

LIMIT = 5
"""Pieces that one strategy finds where the file says nothing (agent-file.md §2.11)."""


def indexes_of(name: str, source: RagSource, opening: Opening) -> list[Index]:
    """The indexes of a source, none of them begun. Raises `ConfigError`."""
    planning = _Planning(name, source, opening)
    made = [planning.strategy(place) for place in range(len(source.strategies))]
    databases = [path for strategy, _ in made for path in strategy.store.files]
    return [
        Index(name, strategy, Docs(docs, planning.base, vcs=source.respect_vcs, without=databases))
        for strategy, docs in made
    ]


def reranker_of(name: str, source: RagSource, opening: Opening) -> Reranker | None:
    """The model that judges what was found; None when the source wants none."""
    wanted = source.results.reranking
    if wanted is None:
        return None
    judging = Judging(
        wanted.top_k,
        wanted.threshold,
        wanted.criteria,
        opening.lent.prompts.get(wanted.model, ""),
    )
    return Reranker(name, opening.lent.answer.get(wanted.model) or NotAsked(), judging)


def _nobody(name: str) -> str | None:
    """What a file from elsewhere learns of variables in questions to its own models."""
    return None


class _Planning:
    """One source being planned."""

    def __init__(self, name: str, source: RagSource, opening: Opening) -> None:
        self._name = name
        self._source = source
        self._opening = opening
        self.base = Path(os.path.realpath(opening.config_dir or opening.working_dir))

    def strategy(self, place: int) -> tuple[Strategy, tuple[Doc, ...]]:
        """One strategy, and its documents."""
        declared = self._source.strategies[place]
        for told in unknown_keys(declared):
            log.warning("%s", told)
        keys = strategy_keys(declared)
        docs = tuple(self._docs(declared))
        if not docs:
            raise declared.error("has no documents; name files, directories or globs in 'docs'")
        cut = _cut(declared)
        if isinstance(keys, Bm25Keys):
            store = self._store(place, docs, cut)
            likeness = Likeness(keys.k1, keys.b, keys.threshold, declared.limit or LIMIT)
            return ByWords(store, cut, likeness), docs
        return self._by_meaning(place, docs, cut, keys), docs

    def _by_meaning(
        self, place: int, docs: tuple[Doc, ...], cut: Cut, keys: EmbeddingKeys
    ) -> Strategy:
        declared, lent = self._source.strategies[place], self._opening.lent
        model = lent.embed.get(keys.embedding_model) or NotLent()
        nearness = Nearness(
            keys.vector_dimensions,
            keys.threshold,
            declared.limit or LIMIT,
            keys.embedding_batch_size or BATCH,
            keys.max_embedding_concurrency or REQUESTS,
        )
        at_once = keys.max_indexing_concurrency or REQUESTS
        similar = similarities()
        if not isinstance(keys, SemanticKeys):
            store = self._store(place, docs, cut, model.name, keys.vector_dimensions)
            return ByMeaning(store, cut, model, nearness, similar, at_once=at_once)
        answer = lent.answer.get(keys.chat_model) or NotAsked()
        describing = Describing(answer.name, keys.semantic_prompt or PROMPT, keys.ast_context)
        store = self._store(place, docs, cut, model.name, keys.vector_dimensions, describing)
        return ByDescription(
            *(store, cut, model, nearness, similar, describing, answer),
            self._opening.secrets.get if self._opening.trusted else _nobody,
            at_once=at_once,
        )

    def _docs(self, declared: RagStrategy) -> Iterator[Doc]:
        for holder in (self._source, declared):
            listed = holder.source.get("docs")
            for at, text in zip(listed.elements() if listed else (), holder.docs, strict=True):
                try:
                    expanded = expand_shell(text, self._opening.secrets.get)
                except ConfigError as exc:
                    raise at.error(str(exc)) from exc
                yield read_doc(at, expanded, self.base, confined=not self._opening.trusted)

    def _store(self, place: int, docs: tuple[Doc, ...], *what: JSON | msgspec.Struct) -> Store:
        """Where a strategy keeps its index; `what` else decides what is in it."""
        declared = self._source.strategies[place]
        decides = (
            *(FORMAT, str(self.base), declared.type, self._source.respect_vcs),
            [(str(doc.path), doc.patterns) for doc in docs],
            *what,
        )
        identity = hashlib.sha256(msgspec.json.encode(decides)).hexdigest()
        return Store(
            self._database(place),
            identity,
            f"{self._name} {declared.type}",
            counted=declared.type == "bm25",
        )

    def _database(self, place: int) -> Path:
        """The file a strategy keeps its index in: the one it names, inside of the agent file's
        folder or of our data, else one among our data."""
        declared, opening = self._source.strategies[place], self._opening
        data = opening.data_dir
        if not declared.database:
            if data is None:
                raise declared.error("there is no data directory; name a 'database'")
            same = [each.type for each in self._source.strategies[:place]].count(declared.type)
            number = f"_{same + 1}" if same else ""
            return data / f"rag_{usable_name(self._name)}_{declared.type}{number}.db"
        base, also = self.base, data
        if not opening.trusted:
            if data is None:
                raise declared.error("there is no data directory to keep it in", "database")
            base, also = data / "rag" / opening.config_id, None
        text = expand_shell(declared.database, opening.secrets.get, "empty")
        try:
            found = Path(os.path.realpath(base / Path(text).expanduser()))
        except (RuntimeError, ValueError) as exc:
            raise declared.error(f"{text!r} is no path", "database") from exc
        if not any(each and found.is_relative_to(os.path.realpath(each)) for each in (base, also)):
            raise declared.error(f"leads out of {base}; keep the index inside of it", "database")
        if found.is_dir():
            raise declared.error(f"{text!r} is a directory; name a file in it", "database")
        return found


def _cut(declared: RagStrategy) -> Cut:
    chunking = declared.chunking
    if chunking is None:
        return Cut()
    size = chunking.size or (CODE_SIZE if chunking.code_aware else SIZE)
    overlap = min(OVERLAP, size // 4) if chunking.overlap is None else chunking.overlap
    if overlap >= size:
        raise chunking.error(f"must be smaller than the size of {size}", "overlap")
    if chunking.code_aware and not has_parser():
        text = "needs an extra: pip install 'docker-agent[rag]'; code is cut as text"
        log.warning("%s", chunking.error(text, "code_aware"))
    code_aware = chunking.code_aware and has_parser()
    return Cut(size, overlap, chunking.respect_word_boundaries, code_aware)
