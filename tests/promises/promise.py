"""What a promise is: an id, where it comes from, one sentence, and the round it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Round = Literal["HTTP contract", "agent files", "tools", "providers"]
"""Work that is not done yet, by name."""


class Promise(msgspec.Struct, frozen=True):
    """One promise. `source` is `seed.txt:NN`, `seed.txt:NN-MM` or `document.md §section`, several
    with `; ` between them; `planned` None: it holds today, and a test proves it."""

    id: str
    source: str
    text: str
    planned: Round | None = None


def kept(source: str, texts: Mapping[str, str]) -> list[Promise]:
    """Promises of one source that hold today: id to sentence."""
    return [Promise(id, source, text) for id, text in texts.items()]


def planned(source: str, round: Round, texts: Mapping[str, str]) -> list[Promise]:
    """Promises of one source that wait for `round`."""
    return [Promise(id, source, text, round) for id, text in texts.items()]
