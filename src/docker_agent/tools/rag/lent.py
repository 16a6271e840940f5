"""What the toolset is lent by rooms it does not know: models that make vectors, and models that
answer."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from docker_agent.messages import JSON, NO_USAGE, Usage


class Refused(Exception):
    """A model did not do what was asked; the text says why. With `input` it is this text that it
    does not take, others may do; with `lasting` there is no use in asking again."""

    def __init__(self, why: str, *, input: bool = False, lasting: bool = False) -> None:
        super().__init__(why)
        self.input = input
        self.lasting = lasting


class Vectors(msgspec.Struct, frozen=True):
    """The vectors of some texts, in their order, and what they cost."""

    vectors: Sequence[array[float]]
    usage: Usage = NO_USAGE


class Embed(Protocol):
    """A model that makes vectors. `name` tells what it makes from what others make."""

    name: str

    async def __call__(self, texts: Sequence[str], dimensions: int) -> Vectors:
        """The vectors of texts; `dimensions` is how long they shall be, 0: as they are. Raises
        `Refused`."""
        ...


class NotLent:
    """For a mere look at a file: no model is asked."""

    name = ""

    async def __call__(self, texts: Sequence[str], dimensions: int) -> Vectors:
        raise Refused("there is no such model here", lasting=True)


class Answer(Protocol):
    """A model that answers. `name` tells it from others."""

    name: str

    async def __call__(
        self, instructions: str, question: str, schema: Mapping[str, JSON] | None
    ) -> tuple[str, Usage]:
        """What it says to a question; `schema` is the JSON Schema of the answer. Raises
        `Refused`."""
        ...


class NotAsked:
    """For a mere look at a file: no model is asked."""

    name = ""

    async def __call__(
        self, instructions: str, question: str, schema: Mapping[str, JSON] | None
    ) -> tuple[str, Usage]:
        raise Refused("there is no such model here", lasting=True)


class Lent(msgspec.Struct, frozen=True):
    """Models by the reference that the file has for each; `prompts` are the whole instructions
    that a reranking model's definition may put in the place of ours."""

    embed: Mapping[str, Embed] = {}
    answer: Mapping[str, Answer] = {}
    prompts: Mapping[str, str] = {}
