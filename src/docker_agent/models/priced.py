"""A model that says what its calls cost."""

from __future__ import annotations

import msgspec

from docker_agent.events import EmitDeltas
from docker_agent.models.catalogue import cost_of
from docker_agent.models.port import Ask, Model, ModelCard, Reply


class Priced:
    """Another model; the usage of its replies has their cost."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def card(self) -> ModelCard:
        return self._model.card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        reply = await self._model.reply(ask, emit)
        usage = msgspec.structs.replace(reply.usage, cost=cost_of(self._model.card, reply.usage))
        return msgspec.structs.replace(reply, usage=usage)
