"""Stops a run at a number of model calls."""

from __future__ import annotations

from collections.abc import Sequence

from docker_agent.hooks.port import NO_VERDICT, Hook, HookInput, Verdict


def max_iterations(args: Sequence[str]) -> Hook:
    """A `before_llm_call` hook: no when this would be a call beyond the number in `args`; without a
    number it never says so. Source: runtime.md §12.6."""
    limit = int(args[0]) if args and args[0].strip().isdecimal() else 0
    no = Verdict(block=f"the agent may ask its model {limit} times in one run (max_iterations)")

    async def count(given: HookInput) -> Verdict:
        return no if limit and given.iteration > limit else NO_VERDICT

    return count
