"""What a promise is: an id, where it comes from, and one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Promise(msgspec.Struct, frozen=True):
    """One promise. `source` is `seed.txt:NN`, `seed.txt:NN-MM` or `document.md §section`, several
    with `; ` between them."""

    id: str
    source: str
    text: str


def kept(source: str, texts: Mapping[str, str]) -> list[Promise]:
    """Promises of one source: id to sentence."""
    return [Promise(id, source, text) for id, text in texts.items()]
