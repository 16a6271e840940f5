"""Vectors as bytes, and how alike two of them are. Pure.

numpy does it while other threads run; without it Python does, which takes about fifty times as
long.
"""

from __future__ import annotations

import importlib
import math
from array import array
from collections.abc import Callable, Sequence
from operator import mul
from typing import Any

WIDTH = 4
"""Bytes of a number: 32 bits, as this machine writes them."""

Similarities = Callable[[bytes, Sequence[bytes]], Sequence[float]]
"""How alike one vector is to each of others: the cosine, 1 for the same direction."""


def unit(vector: array[float]) -> bytes:
    """The vector with the length 1; of nothing but zeros stays nothing but zeros."""
    length = math.sqrt(sum(map(mul, vector, vector)))
    return array("f", (number / length for number in vector) if length else vector).tobytes()


def similarities() -> Similarities:
    """The best way that this machine has."""
    try:
        return by_numpy(importlib.import_module("numpy"))
    except ImportError:
        return by_python


def by_numpy(numpy: Any) -> Similarities:  # noqa: ANN401 - an extra, which may be missing
    """By one multiplication of matrices."""

    def similar(query: bytes, vectors: Sequence[bytes]) -> Sequence[float]:
        matrix = numpy.frombuffer(b"".join(vectors), numpy.float32).reshape(len(vectors), -1)
        found: list[float] = (matrix @ numpy.frombuffer(query, numpy.float32)).tolist()
        return found

    return similar


def by_python(query: bytes, vectors: Sequence[bytes]) -> Sequence[float]:
    """By one multiplication after the other."""
    wanted = array("f", query)
    return [sum(map(mul, wanted, memoryview(vector).cast("f"))) for vector in vectors]
