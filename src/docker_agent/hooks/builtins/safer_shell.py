"""Refuses shell commands that look destructive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from docker_agent.errors import ConfigError
from docker_agent.hooks.port import NO_VERDICT, Hook, HookInput, Verdict
from docker_agent.messages import Label

Classify = Callable[[str], tuple[Label, str, str]]
"""The label of a command line, the shape that gave it away, and its severity."""

_TOOLS = frozenset({"shell", "run_background_job"})

_POLICIES = {
    "unsafe": "unsafe",
    "autonomous": "safer",
    "safer": "safer",
    "safe-auto": "safer",
    "balanced": "safer",
    "restricted": "strict",
    "strict": "strict",
}
"""What words of a file and safety modes mean here; a file's `safer` never goes silent."""


def safer_shell(args: Sequence[str], classify: Classify) -> Hook:
    """A `pre_tool_use` hook for `shell` and `run_background_job`: it asks, which is a no, about
    what looks destructive, and in `strict` about what nobody knows. The first of `args` is the
    policy (`unsafe`, `safer`, `strict`); without one the run's safety mode decides.

    Raises `ConfigError` for another word. Source: runtime.md §6.5.
    """
    fixed = _POLICIES.get(args[0]) if args else None
    if args and fixed is None:
        raise ConfigError(f"safer_shell takes unsafe, safer or strict, not '{args[0]}'")

    async def judge(given: HookInput) -> Verdict:
        policy = fixed or _POLICIES.get(given.safety_policy, "strict")
        if given.tool_name not in _TOOLS or policy == "unsafe":
            return NO_VERDICT
        arguments = given.tool_input or {}
        command = arguments.get("cmd") or arguments.get("command") or ""
        label, shape, severity = classify(str(command))
        if label == "destructive":
            reason = f"the command looks destructive ({shape}; severity {severity})"
            found = {"blast_radius": severity, "category": shape}
            return Verdict(decision="ask", reason=reason, metadata=found)
        if label == "unknown" and policy == "strict":
            return Verdict(decision="ask", reason="nobody knows what the command does")
        return NO_VERDICT

    return judge
