"""How a Gemini model is asked: `generationConfig`, thinking, tools and how to choose among them.
Pure.

Source: agent-file.md §3.2.3, §3.7 and §3.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from docker_agent.messages import JSON, NO_SAMPLING, Format, Sampling, ToolChoice, ToolList
from docker_agent.models.gemini_messages import (
    gemini_contents,
    gemini_declarations,
    system_instruction,
)
from docker_agent.models.port import Ask

BUILT_IN: Mapping[str, str] = {
    "google_search": "googleSearch",
    "google_maps": "googleMaps",
    "code_execution": "codeExecution",
}
"""Options of a model that add a tool of Google's own, and what the API calls it."""

_LEVELS: Mapping[str, str] = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
"""Efforts in the API's words; every other one is HIGH."""

_TOKENS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 24_576,
}
"""Efforts as tokens, for models that count those; 24,576 is the most that all of them take."""

_DYNAMIC = -1

_MODES: Mapping[str, str] = {"none": "NONE", "required": "ANY", "function": "ANY"}


class GeminiSettings(msgspec.Struct, frozen=True):
    """How one model is reached and asked.

    `url` ends in `:streamGenerateContent?alt=sse`; `headers` hold the key; `secrets` are the texts
    no message may show. `thinking` is the file's budget, `built_in` the API's names of Google's own
    tools. `vertex`: it is asked on Vertex AI, which takes nearly the same.
    """

    url: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    sampling: Sampling = NO_SAMPLING
    top_k: int | None = None
    thinking: int | str | None = None
    built_in: tuple[str, ...] = ()
    vertex: bool = False


def generation(model: str) -> tuple[int, int]:
    """The version in a model's name: (3, 1) of `gemini-3.1-pro`; (0, 0) of what is no Gemini.

    An alias without a number, `gemini-flash-latest`, stands for a model of generation 3 or later.
    """
    bare = model.lower().rsplit("/", 1)[-1]
    version = re.match(r"gemini-(\d+)(?:\.(\d+))?", bare)
    if version is not None:
        return int(version[1]), int(version[2] or 0)
    return (3, 0) if bare.startswith("gemini-") else (0, 0)


def is_third(model: str) -> bool:
    """Whether a model is of generation 3 or later: it has levels of thinking, signs its calls, and
    can be held to a format beside tools."""
    return generation(model) >= (3, 0)


def gemini_body(settings: GeminiSettings, ask: Ask) -> dict[str, JSON]:
    """The whole body of a request."""
    third = is_third(settings.model)
    worded = ask.format if ask.format and ask.tools and not third else None
    system = system_instruction(ask.messages, format=worded)
    contents = gemini_contents(ask.messages, signed=third)
    if system and not contents:
        system, contents = None, [{"role": "user", **system}]
    body: dict[str, JSON] = {"contents": contents}
    if system:
        body["systemInstruction"] = system
    if tools := _tools(ask.tools, settings.built_in):
        body["tools"] = tools
    mixing = third and not settings.vertex
    if config := _tool_config(ask, settings.built_in, mixing=mixing):
        body["toolConfig"] = config
    config = _generation_config(settings, ask, None if worded else ask.format)
    if config:
        body["generationConfig"] = config
    return body


def _tools(tools: ToolList, built_in: Sequence[str]) -> list[JSON]:
    wired: list[JSON] = []
    if tools:
        wired.append({"functionDeclarations": msgspec.Raw(tools.wire(gemini_declarations))})
    return wired + [{name: {}} for name in built_in]


def _tool_config(ask: Ask, built_in: Sequence[str], *, mixing: bool) -> dict[str, JSON]:
    config: dict[str, JSON] = {}
    if ask.tools and (calling := _calling(ask.choice)):
        config["functionCallingConfig"] = calling
    if ask.tools and built_in and mixing:
        config["includeServerSideToolInvocations"] = True
    return config


def _calling(choice: ToolChoice) -> JSON:
    if choice.mode == "auto":
        return None
    calling: dict[str, JSON] = {"mode": _MODES[choice.mode]}
    if choice.mode == "function" and choice.name:
        calling["allowedFunctionNames"] = [choice.name]
    return calling


def _generation_config(
    settings: GeminiSettings, ask: Ask, format: Format | None
) -> dict[str, JSON]:
    """The `generationConfig` field: what the client asked over what the file declares.

    A client may ask for fewer tokens than the file allows, not for more.
    """
    declared, asked = settings.sampling, ask.sampling

    def either(name: str) -> JSON:
        value = getattr(asked, name)
        return getattr(declared, name) if value is None else value

    caps = [cap for cap in (declared.max_tokens, asked.max_tokens) if cap is not None]
    effort = asked.reasoning_effort or settings.thinking
    fields: dict[str, JSON] = {
        "maxOutputTokens": min(caps) if caps else None,
        "temperature": either("temperature"),
        "topP": either("top_p"),
        "topK": settings.top_k,
        "frequencyPenalty": either("frequency_penalty"),
        "presencePenalty": either("presence_penalty"),
        "stopSequences": either("stop") or None,
        "seed": either("seed"),
        "responseMimeType": "application/json" if format else None,
        "responseJsonSchema": format.schema if format else None,
        "thinkingConfig": thinking_config(settings.model, effort),
    }
    return {name: value for name, value in fields.items() if value is not None}


def thinking_config(model: str, budget: int | str | None) -> JSON:
    """The `thinkingConfig` field for a budget of §3.9: tokens, or an effort; None when nothing is
    to be said.

    Generation 3 has levels of thinking, 2.5 counts tokens, earlier ones do not think.
    """
    if budget in (None, 0, "none") or generation(model) < (2, 5):
        return None
    if isinstance(budget, int):
        return {"includeThoughts": True, "thinkingBudget": budget}
    adaptive, _, effort = str(budget).partition("/")
    if is_third(model):
        return {"includeThoughts": True, "thinkingLevel": _LEVELS.get(str(budget), "HIGH")}
    tokens = _TOKENS.get(effort or adaptive, _DYNAMIC)
    return {"includeThoughts": True, "thinkingBudget": tokens}
