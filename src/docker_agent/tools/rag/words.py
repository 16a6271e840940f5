"""Texts as words, and how much a word says about a text (BM25). Pure. Source: runtime.md §14.3."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

SHORTEST, LONGEST = 3, 64
"""Characters of a word that counts; what is longer is no word but data."""

_RUN = re.compile(r"[^\W_]+")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
"""Scripts that put no blanks between words: Chinese and Japanese."""

_COMMON = """
and are but can for from had has have not that the their them then there these they this was were
which will with you your
"""
STOP_WORDS = frozenset(_COMMON.split())


def words(text: str) -> Counter[str]:
    """The words of a text in lower case, and how often each occurs.

    A word is a run of letters and digits of three characters or more that is no stop word. Runs of
    Chinese and Japanese are counted by pairs of characters, since nothing separates words there.
    """
    return Counter(_words(text.lower()))


def _words(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        if not run.isascii() and _DENSE.search(run):
            for dense in _DENSE.findall(run):
                yield from (dense[at : at + 2] for at in range(max(1, len(dense) - 1)))
            run = _DENSE.sub("", run)
        if SHORTEST <= len(run) <= LONGEST and run not in STOP_WORDS:
            yield run


def rarity(total: int, holding: int) -> float:
    """How much a word says that `holding` of `total` texts hold: its inverse document frequency."""
    return math.log((total - holding + 0.5) / (holding + 0.5) + 1)
