"""A model that is shown only what it can take, whoever asks: as a fallback, as one of an alloy, as
the target of a router. Source: agent-file.md §3.13."""

from __future__ import annotations

import msgspec

from docker_agent.events import EmitDeltas
from docker_agent.modalities import fitted
from docker_agent.models.port import Ask, Model, ModelCard, Reply


class Fitting:
    """Another model, which gets no pictures and documents that its card says it does not take."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def card(self) -> ModelCard:
        return self._model.card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        card = self._model.card
        messages = fitted(ask.messages, image=card.image, document=card.document)
        return await self._model.reply(msgspec.structs.replace(ask, messages=tuple(messages)), emit)


def fitting(model: Model) -> Model:
    """The model, as it is where nothing is known to be beyond it."""
    card = model.card
    return Fitting(model) if card.image is False or card.document is False else model
