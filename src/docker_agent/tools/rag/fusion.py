"""What several ways to search have found, as one list. Pure. Source: runtime.md §14.3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from docker_agent.tools.rag.store import Hit

RRF_K = 60
"""What is added to each rank: the larger, the less the first places count."""

Ranked = Sequence[tuple[str, Sequence[Hit]]]
"""For each way its type and what it found, best first."""


class Fusing(msgspec.Struct, frozen=True):
    """How lists are joined: by `rrf` (ranks), `weighted` (scores times the weight of their way, 1
    when it has none) or `max` (the best score)."""

    strategy: str = "rrf"
    k: int = RRF_K
    weights: Mapping[str, float] = {}


def fused(found: Ranked, wanted: Fusing) -> list[Hit]:
    """All that was found, once each, best first; the list of a single way stays as it is.

    Pieces with the same text of the same file are one; its similarity is the best it had.
    """
    if len(found) == 1:
        return list(found[0][1])
    scores = _WAYS[wanted.strategy or "rrf"](found, wanted)
    best: dict[tuple[str, str], Hit] = {}
    for _, hits in found:
        for hit in hits:
            known = best.get(_key(hit))
            if known is None or hit.similarity > known.similarity:
                best[_key(hit)] = hit
    joined = [msgspec.structs.replace(hit, score=scores[key]) for key, hit in best.items()]
    return sorted(joined, key=lambda hit: -hit.score)


def once(hits: Iterable[Hit]) -> list[Hit]:
    """The hits without those whose text another one before them has."""
    kept: dict[str, Hit] = {}
    for hit in hits:
        kept.setdefault(hit.content, hit)
    return list(kept.values())


def _key(hit: Hit) -> tuple[str, str]:
    return hit.path, hit.content


Scores = dict[tuple[str, str], float]


def _by_rank(found: Ranked, wanted: Fusing) -> Scores:
    scores: Scores = {}
    for _, hits in found:
        for rank, hit in enumerate(hits, 1):
            scores[_key(hit)] = scores.get(_key(hit), 0.0) + 1 / (wanted.k + rank)
    return scores


def _by_weight(found: Ranked, wanted: Fusing) -> Scores:
    scores: Scores = {}
    for way, hits in found:
        weight = wanted.weights.get(way, 1.0)
        for hit in hits:
            scores[_key(hit)] = scores.get(_key(hit), 0.0) + weight * hit.score
    return scores


def _by_best(found: Ranked, wanted: Fusing) -> Scores:
    scores: Scores = {}
    for _, hits in found:
        for hit in hits:
            scores[_key(hit)] = max(scores.get(_key(hit), 0.0), hit.score)
    return scores


_WAYS: Mapping[str, Callable[[Ranked, Fusing], Scores]] = {
    "rrf": _by_rank,
    "weighted": _by_weight,
    "max": _by_best,
}
