"""A question as a request to Bedrock's ConverseStream: its fields. Pure.

Source: agent-file.md §3.2.3, §3.6, §3.7 and §3.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from docker_agent.messages import JSON, NO_SAMPLING, Format, Sampling, ToolChoice
from docker_agent.models.anthropic_request import ANY_JSON, INTERLEAVED, MAX_TEMPERATURE
from docker_agent.models.anthropic_thinking import (
    BUDGETS,
    NO_THINKING,
    Thinking,
    prefers_adaptive,
    thinking_of,
)
from docker_agent.models.bedrock_messages import (
    MAKER,
    converse_tools,
    system_blocks,
    wired_messages,
)
from docker_agent.models.blocks import goes_on_thoughtless
from docker_agent.models.port import Ask

SHAPED = "Answer with one JSON object and nothing else. It must fit this JSON Schema: "
"""Converse takes no format that all its models know, so the answer's shape is told in words."""


class ConverseSettings(msgspec.Struct, frozen=True):
    """How one model is reached and asked.

    `url` ends in `/converse-stream`; `headers` hold the bearer token, if there is one; `secrets`
    are the texts no message may show. `caching` says that cache points are set.
    """

    url: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    sampling: Sampling = NO_SAMPLING
    top_k: int | None = None
    thinking: Thinking = NO_THINKING
    interleaved: bool = True
    caching: bool = False
    track_usage: bool = True


def is_claude(model: str) -> bool:
    """Whether a model's id names one of Anthropic's."""
    name = model.lower()
    return "anthropic" in name or "claude" in name


def converse_thinking(budget: int | str | None, model: str) -> Thinking:
    """What a declared budget comes to for a Claude of Bedrock: adaptive thinking where it is asked
    for or preferred, else a budget of tokens. Source: agent-file.md §3.9."""
    if budget in BUDGETS and not prefers_adaptive(model):
        return Thinking(tokens=BUDGETS[str(budget)])
    return thinking_of(budget, model)


def converse_body(settings: ConverseSettings, ask: Ask) -> bytes:
    """The request for a question."""
    offered = bool(ask.tools) and ask.choice.mode != "none"
    cap = _cap(settings, ask)
    thinking = _thinking(settings, ask, cap)
    system = system_blocks(ask.messages, marked=settings.caching)
    if ask.format is not None:
        system.append({"text": _told(ask.format)})
    fields: dict[str, JSON] = {
        "messages": wired_messages(ask.messages, marked=settings.caching, tools=offered)
    }
    if system:
        fields["system"] = system
    if offered:
        fields["toolConfig"] = {
            "tools": msgspec.Raw(ask.tools.wire(converse_tools)),
            **_choice(ask.choice),
        }
    if inference := _inference(settings, ask.sampling, cap, thinking):
        fields["inferenceConfig"] = inference
    if more := _of_the_model(settings, thinking):
        fields["additionalModelRequestFields"] = more
    return msgspec.json.encode(fields)


def _cap(settings: ConverseSettings, ask: Ask) -> int | None:
    caps = [settings.sampling.max_tokens, ask.sampling.max_tokens]
    return min((cap for cap in caps if cap is not None), default=None)


def _thinking(settings: ConverseSettings, ask: Ask, cap: int | None) -> Thinking:
    """How the model thinks in this call: not where the client insists on a tool, which Claude
    takes only without thinking, nor where the answer would have no room beside the budget.

    A client's effort counts where the file lets the model think.
    """
    thinking = settings.thinking
    if not thinking or (ask.tools and ask.choice.mode in ("required", "function")):
        return NO_THINKING
    if ask.sampling.reasoning_effort is not None:
        thinking = converse_thinking(ask.sampling.reasoning_effort, settings.model)
    if thinking.tokens and goes_on_thoughtless(ask.messages, MAKER):
        return NO_THINKING
    return thinking if cap is None or thinking.tokens < cap else NO_THINKING


def _told(format: Format) -> str:
    if format.type == "json_object":
        return ANY_JSON
    return SHAPED + msgspec.json.encode(format.schema or {}).decode()


def _choice(choice: ToolChoice) -> dict[str, JSON]:
    """The model's own choice is every model's default, and not all know the word."""
    match choice.mode:
        case "required":
            return {"toolChoice": {"any": {}}}
        case "function":
            return {"toolChoice": {"tool": {"name": choice.name}}}
        case _:
            return {}


def _inference(
    settings: ConverseSettings, asked: Sampling, cap: int | None, thinking: Thinking
) -> dict[str, JSON]:
    declared = settings.sampling
    fields: dict[str, JSON] = {"maxTokens": cap}
    if not thinking:
        temperature = declared.temperature if asked.temperature is None else asked.temperature
        fields["temperature"] = None if temperature is None else min(temperature, MAX_TEMPERATURE)
        fields["topP"] = declared.top_p if asked.top_p is None else asked.top_p
    fields["stopSequences"] = [stop for stop in asked.stop or () if stop.strip()] or None
    return {name: value for name, value in fields.items() if value is not None}


def _of_the_model(settings: ConverseSettings, thinking: Thinking) -> dict[str, JSON]:
    """What Converse has no field for, in the words of the model's maker."""
    fields: dict[str, JSON] = {}
    if thinking:
        fields["thinking"] = thinking.field()
        if settings.interleaved:
            fields["anthropic_beta"] = [INTERLEAVED]
    elif settings.top_k is not None:
        fields["top_k"] = settings.top_k
    if thinking.effort:
        fields["output_config"] = {"effort": thinking.effort}
    return fields
