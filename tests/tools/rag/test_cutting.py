"""Texts as pieces and as words: pure."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.tools.rag.chunks import Cut, pieces
from docker_agent.tools.rag.fusion import Fusing, fused, once
from docker_agent.tools.rag.store import Hit
from docker_agent.tools.rag.words import rarity, words
from tests.requirements import requirement


def cut_of(size: int, share: int, whole_words: bool) -> Cut:
    """A way to cut with an overlap of `share` per cent."""
    return Cut(size, size * share // 100, whole_words)


CUTS = st.builds(cut_of, st.integers(1, 40), st.integers(0, 99), st.booleans())


@requirement("rag:chunks")
@given(st.text("a \n\t", max_size=300), CUTS)
def test_pieces_hold_everything_and_none_is_too_long(pattern: str, cut: Cut) -> None:
    """runtime.md §14.2: chunks by characters. Every letter of the text is another one, so that a
    piece can stand in one place alone."""
    letters = map(chr, itertools.count(0x1200))
    text = "".join(next(letters) if letter == "a" else letter for letter in pattern)
    at = 0
    for piece in pieces(text, cut):
        assert piece.strip() and len(piece) <= cut.size
        start = text.index(piece)
        assert not text[at:start].strip(), "nothing between two pieces is lost"
        at = max(at, start + len(piece))
    assert not text[at:].strip()


@requirement("rag:chunks")
@given(st.lists(st.text("abcdef", min_size=1, max_size=9), max_size=60), st.integers(10, 40))
def test_words_stay_whole(given_words: list[str], size: int) -> None:
    """runtime.md §14.2: with word boundaries a cut falls on white space."""
    for piece in pieces(" ".join(given_words), Cut(size, size // 4)):
        assert set(piece.split()) <= set(given_words)


@requirement("rag:chunks")
def test_neighbours_share_the_overlap() -> None:
    """runtime.md §14.2: chunks with overlap; a word longer than a piece is cut."""
    assert list(pieces("abcdefghij", Cut(4, 1, whole_words=False))) == ["abcd", "defg", "ghij"]
    assert list(pieces("aaa bbb ccc ddd", Cut(8, 4))) == ["aaa bbb", "bbb ccc", "ccc ddd"]
    assert list(pieces("x" * 10, Cut(4, 0))) == ["xxxx", "xxxx", "xx"]
    assert list(pieces(" \n\n ", Cut())) == [] == list(pieces("", Cut()))


@requirement("rag:words")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Cats and the cats' dog", {"cats": 2, "dog": 1}),
        ("snake_case v2 x1 HTTP2 a-b-cde", {"snake": 1, "case": 1, "http2": 1, "cde": 1}),
        ("Größe ÉCOLE", {"größe": 1, "école": 1}),
        ("日本語 docs猫", {"日本": 1, "本語": 1, "猫": 1, "docs": 1}),
        ("x" * 65, {}),
        ("", {}),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, found: dict[str, int]) -> None:
    """runtime.md §14.3: lower-case, no words of two letters, no stop words."""
    assert words(text) == found


@requirement("rag:words")
def test_rare_words_say_more() -> None:
    """runtime.md §14.3: idf = ln((N - df + 0.5)/(df + 0.5) + 1)."""
    assert rarity(10, 2) == pytest.approx(math.log(8.5 / 2.5 + 1))
    assert rarity(10, 1) > rarity(10, 9) > 0


def hit(path: str, score: float, content: str = "") -> Hit:
    """Something found."""
    return Hit(path, path, 0.0, 0, content or path, score, score)


@requirement("rag:fusion")
def test_lists_are_joined_by_rank_weight_or_best_score() -> None:
    """runtime.md §14.3: rrf Σ 1/(k+rank), weighted Σ w·score with 1 where none is said, max."""
    found = [
        ("bm25", [hit("a", 0.9), hit("b", 0.5)]),
        ("chunked-embeddings", [hit("b", 0.8), hit("c", 0.7)]),
    ]

    def scores(wanted: Fusing) -> dict[str, float]:
        joined = fused(found, wanted)
        assert [each.score for each in joined] == sorted((e.score for e in joined), reverse=True)
        return {each.path: round(each.score, 6) for each in joined}

    assert scores(Fusing(k=1)) == {"b": round(1 / 3 + 1 / 2, 6), "a": 0.5, "c": round(1 / 3, 6)}
    assert list(scores(Fusing())) == ["b", "a", "c"]
    weighted = scores(Fusing("weighted", weights={"bm25": 0.5}))
    assert weighted == {"b": 1.05, "c": 0.7, "a": 0.45}
    assert scores(Fusing("max")) == {"a": 0.9, "b": 0.8, "c": 0.7}
    assert {each.path: each.similarity for each in fused(found, Fusing())}["b"] == 0.8


@requirement("rag:fusion")
def test_one_list_stays_as_it_is_and_equal_texts_are_one() -> None:
    """runtime.md §14.3: dedupe by content, the first counts."""
    hits = [hit("a", 0.2, "x"), hit("b", 0.9, "y"), hit("c", 0.1, "x")]
    assert fused([("bm25", hits)], Fusing()) == hits
    assert [each.path for each in once(hits)] == ["a", "b"]
