"""The models that sources of documents use: found in the file, and lent to the toolset as plain
callables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.rag_rules import chat_models, embedding_models, sources_of
from docker_agent.config.toolset import Toolset
from docker_agent.errors import ConfigError, ModelError
from docker_agent.events import Delta
from docker_agent.loader.models import Models
from docker_agent.messages import JSON, Format, Message, SystemMessage, Usage, UserMessage
from docker_agent.models.embedding_table import Embedder
from docker_agent.models.port import Ask, Model
from docker_agent.tools.rag.lent import Answer, Embed, Lent, Refused, Vectors

_INPUT = ("context_length_exceeded",)
"""Kinds of errors that speak of the text that was sent, not of the model."""


def embedding_references(file: AgentFile) -> list[str]:
    """The models that make vectors for the agents of a file, `auto` among them."""
    sources = sources_of(toolset for agent in file.agents for toolset in agent.toolsets)
    return [str(found.plain()) for source in sources for found in embedding_models(source)]


async def lent(entry: Toolset, file: AgentFile, models: Models, stack: AsyncExitStack) -> Lent:
    """What a toolset may ask. Raises `ConfigError` with the place of a reference that leads to
    nothing usable."""
    embed: dict[str, Embed] = {}
    answer: dict[str, Answer] = {}
    prompts: dict[str, str] = {}
    for source in sources_of([entry]):
        for at in embedding_models(source):
            reference = str(at.plain())
            try:
                embed[reference] = Embedding(models.embedder(reference))
            except ConfigError as exc:
                raise at.error(str(exc)) from exc
        for at in chat_models(source):
            reference = str(at.plain())
            answer[reference] = Answering(await models.beside(reference, stack))
            declared = file.models.get(reference)
            options = declared.provider_opts if declared else None
            prompt = options.get("rerank_prompt") if options else None
            if prompt is not None:
                prompts[reference] = str(prompt.plain())
    return Lent(embed, answer, prompts)


class Embedding:
    """A model that makes vectors, as the toolset knows it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = f"{embedder.provider}/{embedder.name}"

    async def __call__(self, texts: Sequence[str], dimensions: int) -> Vectors:
        try:
            made = await self._embedder.embed(texts, dimensions)
        except ModelError as exc:
            raise _refused(exc) from exc
        return Vectors(made.vectors, made.usage)


class Answering:
    """A model that answers, as the toolset knows it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name = f"{model.card.provider}/{model.card.name}"

    async def __call__(
        self, instructions: str, question: str, schema: Mapping[str, JSON] | None
    ) -> tuple[str, Usage]:
        told: tuple[Message, ...] = (SystemMessage(instructions),) if instructions else ()
        shape = Format("json_schema", "scores", schema, None, True) if schema else None
        ask = Ask((*told, UserMessage(question)), format=shape)
        try:
            reply = await self._model.reply(ask, _unheard)
        except ModelError as exc:
            raise _refused(exc) from exc
        return reply.message.text, reply.usage


def _refused(exc: ModelError) -> Refused:
    lasting = not exc.transient and exc.kind != "model_rate_limited"
    return Refused(str(exc), input=exc.kind in _INPUT, lasting=lasting)


async def _unheard(deltas: tuple[Delta, ...]) -> None:
    """Nobody listens."""
