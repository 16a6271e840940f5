"""What annotations on declared fields may say to the strict converter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """How a field is filled where its type alone does not say it."""

    meaning: str


DERIVED = Mark("derived")
"""No key of the file: worked out after the parse."""
REST = Mark("rest")
"""A `Raw` mapping of all keys that the Struct does not declare; they are then no errors."""
BY_NAME = Mark("by name")
"""A mapping in the file, a tuple of Structs here; each key becomes the Struct's `name`."""
ONE_OR_MANY = Mark("one or many")
"""A list, or a single element in its place."""
DURATION = Mark("duration")
"""Text such as `1m30s`, or a bare number of seconds; a float of seconds here."""


class Word(msgspec.Struct, frozen=True):
    """A text that must pass `read`, which answers the text to keep or raises `ConfigError`."""

    read: Callable[[str], str]


Count = Annotated[int, msgspec.Meta(ge=0)]
Tokens = Annotated[int, msgspec.Meta(ge=-1)]
Threshold = Annotated[float, msgspec.Meta(gt=0, le=1)]
Seconds = Annotated[float, DURATION, msgspec.Meta(ge=0)]
