"""A hook that asks a model: its answer is words for the prompt, or a decision on a call."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import cast

import msgspec

from docker_agent.env.secret_text import redact
from docker_agent.errors import ConfigError
from docker_agent.hooks.command import encoded
from docker_agent.hooks.port import Hook, HookFailed, HookInput, Permission, Verdict
from docker_agent.hooks.template import Template
from docker_agent.messages import JSON, Usage

AskModel = Callable[[str, str], Awaitable[tuple[str, Usage]]]
"""Takes instructions (empty: none) and a prompt, returns the text of the answer and its cost.
Raises `HookFailed` when the model failed."""

DECISION = "pre_tool_use_decision"
"""The schema of answers that decide on a call (runtime.md §12.1)."""

_DECIDE = (
    "You decide whether an agent's tool call may run. Answer with one JSON object and nothing "
    'else: {"decision": "allow" or "ask" or "deny", "reason": "one sentence"}.'
)

_ATTEMPTS = 20
"""Opening braces in an answer from which a JSON object is looked for."""


def model_hook(ask: AskModel, prompt: str, schema: str, *, redacting: bool) -> Hook:
    """A hook that fills the template `prompt` from what it is told and asks a model.

    Without a `schema` the answer becomes context. `redacting` keeps secrets from the model. Raises
    `ConfigError` for a template or schema that nobody knows.
    """
    if schema not in ("", DECISION):
        raise ConfigError(f"there is no schema '{schema}'; there is: {DECISION}")
    template = Template(prompt)

    async def ask_model(given: HookInput) -> Verdict:
        text = template.fill(msgspec.json.decode(encoded(given)))
        answer, usage = await ask(_DECIDE if schema else "", redact(text) if redacting else text)
        if not schema:
            return Verdict(answer.strip(), usage=usage)
        try:
            decision, reason = read_decision(answer)
        except HookFailed as exc:
            raise HookFailed(str(exc), usage=usage) from exc
        return Verdict(decision=decision, reason=reason, usage=usage)

    return ask_model


def read_decision(answer: str) -> tuple[Permission, str]:
    """The decision in a model's answer, whatever stands around its JSON.

    Raises `HookFailed` when there is none.
    """
    reader = json.JSONDecoder()
    at = answer.find("{")
    for _ in range(_ATTEMPTS):
        if at < 0:
            break
        try:
            found, _ = reader.raw_decode(answer, at)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and "decision" in found:
            return _decision(cast(dict[str, JSON], found))
        at = answer.find("{", at + 1)
    raise HookFailed("the model's answer holds no decision")


def _decision(found: dict[str, JSON]) -> tuple[Permission, str]:
    reason = found.get("reason")
    match found["decision"]:
        case "allow" | "ask" | "deny" as word:
            return word, reason if isinstance(reason, str) else ""
        case other:
            raise HookFailed(f"the model decided {other!r}, which is not allow, ask or deny")
