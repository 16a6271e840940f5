"""How an agent's long histories are summarized, as its file and its models say. Source:
agent-file.md §4.5."""

from __future__ import annotations

import msgspec

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.convert import convert_as
from docker_agent.config.rag_rules import chat_models, sources_of
from docker_agent.loader.hooks import models_of
from docker_agent.models.port import Model
from docker_agent.runtime.summaries import DEFAULT_THRESHOLD, Compaction


class Wish(msgspec.Struct, frozen=True):
    """Which model writes the summaries (empty: the agent's own), and from what share of the
    window on."""

    model: str
    threshold: float


def wished(file: AgentFile, agent: Agent) -> Wish | None:
    """What a file says of an agent's compaction; None when it wants none."""
    if agent.session_compaction is False:
        return None
    models = [file.models[name] for name in agent.models if name in file.models]
    writers = [model.compaction_model for model in models if model.compaction_model]
    thresholds = [
        each
        for each in (*(model.compaction_threshold for model in models), agent.compaction_threshold)
        if each is not None
    ]
    return Wish(writers[0] if writers else "", thresholds[0] if thresholds else DEFAULT_THRESHOLD)


def choices_of(agent: Agent) -> list[str]:
    """The models that its conversations may choose (`model_picker`)."""
    pickers = [entry for entry in agent.toolsets if entry.type == "model_picker"]
    listed = [entry.options.get("models") for entry in pickers]
    return [convert_as(name, str) for names in listed if names for name in names.elements()]


def side_models(file: AgentFile) -> list[str]:
    """The references to models that agents use beside their own: for summaries, after calls of
    certain toolsets, where they may choose, by hooks, in skills that work for themselves, and for
    documents."""
    writers = [wish.model for agent in file.agents if (wish := wished(file, agent))]
    entries = [entry.model for agent in file.agents for entry in agent.toolsets]
    choices = [name for agent in file.agents for name in choices_of(agent)]
    hooks = [name for agent in file.agents for name in models_of(agent)]
    skills = [
        skill.model
        for agent in file.agents
        for skill in agent.merged_skills.inline
        if skill.context == "fork"
    ]
    toolsets = [entry for agent in file.agents for entry in agent.toolsets]
    documents = [str(at.plain()) for each in sources_of(toolsets) for at in chat_models(each)]
    named = (*writers, *entries, *choices, *hooks, *skills, *documents)
    return [name for name in named if name]


def compaction(wish: Wish, own: Model, writer: Model | None) -> Compaction:
    """How the histories of an agent with the model `own` are kept short; the smaller of both
    windows counts."""
    cards = (own.card, writer.card) if writer else (own.card,)
    windows = [card.context for card in cards if card.context]
    return Compaction(writer or own, min(windows, default=0), wish.threshold)
