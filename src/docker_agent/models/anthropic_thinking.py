"""How a Claude model is told to think: the `thinking_budget` of an agent file in its API's words.
Pure.

Source: agent-file.md §3.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON

MIN_BUDGET = 1024
"""Tokens; the API takes no smaller budget."""

BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens that an effort is worth on models without adaptive thinking."""

DISPLAYS = ("summarized", "omitted", "display")
DEFAULT_DISPLAY = "summarized"

_FAMILY_FIRST = re.compile(r"(opus|sonnet|haiku)-(\d{1,2})(?!\d)(?:[-.](\d{1,2}))?(?!\d)")
_NUMBER_FIRST = re.compile(r"claude-(\d{1,2})(?!\d)(?:[-.](\d{1,2}))?(?!\d)")


class Thinking(msgspec.Struct, frozen=True):
    """`effort` for adaptive thinking, else `tokens` of budget; neither: the model does not think.

    `display` says how thinking is shown; empty leaves it to the API.
    """

    effort: str = ""
    tokens: int = 0
    display: str = ""

    def __bool__(self) -> bool:
        return bool(self.effort or self.tokens)

    def field(self) -> JSON:
        """The `thinking` field."""
        if self.effort:
            return {"type": "adaptive", "display": self.display or DEFAULT_DISPLAY}
        shown = {"display": self.display} if self.display else {}
        return {"type": "enabled", "budget_tokens": self.tokens, **shown}


NO_THINKING = Thinking()


def version_of(model: str) -> tuple[int, int]:
    """Major and minor version of a Claude model's id; zeros when it shows none."""
    name = model.lower()
    if found := _FAMILY_FIRST.search(name):
        return int(found[2]), int(found[3] or 0)
    if found := _NUMBER_FIRST.search(name):
        return int(found[1]), int(found[2] or 0)
    return 0, 0


def is_adaptive(model: str) -> bool:
    """Whether the model decides by itself how much to think: Opus and Sonnet from 4.6 on, every
    Claude 5, fable and mythos."""
    name = model.lower()
    if "fable" in name or "mythos" in name:
        return True
    version = version_of(name)
    return version >= (5, 0) or (version >= (4, 6) and "haiku" not in name)


def prefers_adaptive(model: str) -> bool:
    """Opus 4.6, 4.7 and 4.8 take adaptive thinking in place of a number of tokens."""
    return "opus" in model.lower() and (4, 6) <= version_of(model) <= (4, 8)


def thinking_of(budget: int | str | None, model: str, display: str = "") -> Thinking:
    """What a declared budget comes to; fewer tokens than the API takes come to nothing."""
    if budget in (None, 0, "none"):
        return NO_THINKING
    if isinstance(budget, int):
        if prefers_adaptive(model) or (budget < 0 and is_adaptive(model)):
            return Thinking(effort="high", display=display)
        return Thinking(tokens=budget, display=display) if budget >= MIN_BUDGET else NO_THINKING
    word = budget or ""
    effort = word.removeprefix("adaptive/") if word != "adaptive" else "high"
    if is_adaptive(model):
        return Thinking(effort="low" if effort == "minimal" else effort, display=display)
    return Thinking(tokens=BUDGETS.get(effort, 0), display=display)
