"""A model made of models: tries again, then tries the next. The one retry rule of the house.

A call is tried again only while it has emitted nothing (DESIGN.md §8). Source: agent-file.md §3.10,
runtime.md §4.2.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from docker_agent.errors import ModelError
from docker_agent.events import EmitDeltas
from docker_agent.models.port import Ask, Model, ModelCard, Reply

log = logging.getLogger(__name__)

DEFAULT_RETRIES = 2
DEFAULT_COOLDOWN = 60.0
"""Seconds a fallback is kept after the first model failed for good."""

FIRST_BACKOFF = 0.2
LAST_BACKOFF = 2.0
"""Seconds before the first retry, doubled each time up to the last; each ± 10 %."""

MAX_RETRY_AFTER = 60.0
"""Seconds a rate limit may ask for and still be waited out."""


def backoff(retry: int, spread: float) -> float:
    """Seconds to wait before retry number `retry` (0 is the first); `spread` is within -1 … 1."""
    return min(FIRST_BACKOFF * 2**retry, LAST_BACKOFF) * (1 + 0.1 * spread)


class Fallback:
    """The first of `models` that answers; each gets 1 + `retries` tries."""

    def __init__(
        self,
        models: Sequence[Model],
        *,
        retries: int = DEFAULT_RETRIES,
        cooldown: float = DEFAULT_COOLDOWN,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = lambda: random.uniform(-1, 1),
    ) -> None:
        self._models = tuple(models)
        self._retries = retries
        self._cooldown = cooldown
        self._now = now
        self._sleep = sleep
        self._spread = spread
        # It takes what any of them takes: each gets what it can read.
        self.card = msgspec.structs.replace(
            self._models[0].card, **read_by_any(model.card for model in self._models)
        )
        self._pinned = 0
        self._pinned_until = 0.0

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        start = self._pinned if self._now() < self._pinned_until else 0
        first_error: ModelError | None = None
        for place in range(start, len(self._models)):
            last = place == len(self._models) - 1
            try:
                reply = await self._persist(self._models[place], ask, emit, last=last)
            except ModelError as exc:
                if exc.emitted or exc.kind == "context_length_exceeded" or len(self._models) == 1:
                    raise
                if last:
                    raise _all_failed(exc) from exc
                first_error = first_error or exc
                log.warning("%s; trying %s", exc, self._models[place + 1].card.name)
                continue
            self._remember(place, first_error, start)
            return reply
        raise AssertionError("a fallback chain has at least one model")

    def _remember(self, place: int, error: ModelError | None, start: int) -> None:
        """Pin a fallback that stood in for a model that would only fail again."""
        if place > start and error is not None and not error.transient:
            self._pinned, self._pinned_until = place, self._now() + self._cooldown
        elif place == 0:
            self._pinned_until = 0.0

    async def _persist(self, model: Model, ask: Ask, emit: EmitDeltas, *, last: bool) -> Reply:
        for retry in range(self._retries + 1):
            try:
                return await model.reply(ask, emit)
            except ModelError as exc:
                pause = self._pause(exc, retry, last=last)
                if exc.emitted or retry == self._retries or pause is None:
                    raise
                if ask.deadline is not None and _loop_time() + pause >= ask.deadline:
                    raise
                log.info("%s; trying again in %.1f s", exc, pause)
            await self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _pause(self, error: ModelError, retry: int, *, last: bool) -> float | None:
        """Seconds to wait before the same model is asked again; None when that is no use."""
        if error.kind == "model_rate_limited" and last:
            wait = 1.0 if error.retry_after is None else error.retry_after
            return wait if wait <= MAX_RETRY_AFTER else None
        if not error.transient or error.kind == "context_length_exceeded":
            return None
        pause = backoff(retry, self._spread())
        if error.retry_after is not None and error.retry_after <= MAX_RETRY_AFTER:
            return max(pause, error.retry_after)
        return pause


def _all_failed(last: ModelError) -> ModelError:
    """The end of a chain: the last model's failure, and that there were others before it."""
    text = f"all models failed: {last}"
    return ModelError(last.kind, text, transient=last.transient, retry_after=last.retry_after)


class Alloy:
    """One of several models, chosen anew for each call."""

    def __init__(
        self, models: Sequence[Model], choose: Callable[[Sequence[Model]], Model] = random.choice
    ) -> None:
        self._models = tuple(models)
        self._choose = choose
        self.card = shared_card(self._models)

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        return await self._choose(self._models).reply(ask, emit)


def shared_card(models: Sequence[Model]) -> ModelCard:
    """The card of the first, with the smallest window that is known of any, since nobody knows yet
    who will answer; it takes what any of them takes."""
    cards = [model.card for model in models]
    window = min((card.context for card in cards if card.context), default=0)
    return msgspec.structs.replace(cards[0], context=window, **read_by_any(cards))


def read_by_any(cards: Iterable[ModelCard]) -> dict[str, bool | None]:
    """What stands in these cards about pictures and documents: False only when all say so."""
    said = [(card.image, card.document) for card in cards]
    return {
        name: True if True in values else None if None in values else False
        for name, values in zip(("image", "document"), zip(*said, strict=True), strict=True)
    }


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
