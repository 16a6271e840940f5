"""May this call run? Deny rules, hooks, allow rules, ask rules, the safety mode, in that order.

Source: runtime.md §6.2. Nobody can be asked in a server: what would be a question is a no, unless
a hook answers it. Every verdict is one line in the audit log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON, ToolCall, ToolSpec
from docker_agent.permissions import Decision, decide
from docker_agent.runtime import moments
from docker_agent.runtime.strand import Strand

audit = logging.getLogger("docker_agent.audit")

Arguments = Mapping[str, JSON] | None
"""None when the model's JSON could not be read."""


async def approve(
    strand: Strand, spec: ToolSpec, call: ToolCall, arguments: Arguments
) -> tuple[Decision, Arguments]:
    """The verdict on one call, and the arguments it may run with: hooks may have rewritten them,
    and secrets are taken out."""
    decision, arguments = await _decided(strand, spec, call, arguments)
    record(strand, call.name, decision)
    if strand.agent.hooks.has("on_tool_approval_decision", spec.name):
        await moments.fire(
            strand,
            "on_tool_approval_decision",
            **about(spec, call, arguments),
            approval_decision="allow" if decision.allowed else "deny",
            approval_source=decision.source,
        )
    return decision, arguments


async def _decided(
    strand: Strand, spec: ToolSpec, call: ToolCall, arguments: Arguments
) -> tuple[Decision, Arguments]:
    rules, hooks = strand.agent.rules or strand.ledger.team.rules, strand.agent.hooks
    decision = decide(rules, strand.mode, spec, arguments)
    if decision.final:
        return decision, arguments
    approved = False
    written = arguments
    if arguments is not None:
        arguments = hooks.redaction.arguments(arguments)
    if hooks.has("pre_tool_use", spec.name):
        verdict = await moments.fire(strand, "pre_tool_use", **about(spec, call, arguments))
        if verdict.refusal is not None:
            return _rejected(verdict.refusal), arguments
        approved = verdict.decision == "allow"
        if verdict.arguments is not None and arguments is not None:
            arguments = rewritten(spec, arguments, verdict.arguments)
    if arguments is not written:
        decision = decide(rules, strand.mode, spec, arguments)
    if decision.asks:
        decision = await _asked(strand, spec, call, arguments, decision, approved=approved)
    return decision, arguments


async def _asked(
    strand: Strand,
    spec: ToolSpec,
    call: ToolCall,
    arguments: Arguments,
    decision: Decision,
    *,
    approved: bool,
) -> Decision:
    """What hooks answer to the question that nobody else can be asked."""
    verdict = await moments.fire(strand, "permission_request", **about(spec, call, arguments))
    if verdict.refusal is not None:
        text = f"The tool call was rejected by a permission_request hook. Reason: {verdict.refusal}"
        return Decision(False, "permission_request_hook_deny", text)
    if verdict.decision == "allow":
        return Decision(True, "permission_request_hook_allow")
    return Decision(True, "pre_tool_use_hook_allow") if approved else decision


def as_read(spec: ToolSpec, arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The arguments as the tool will read them."""
    return arguments if spec.tidy is None else spec.tidy(arguments)


def rewritten(
    spec: ToolSpec, arguments: Mapping[str, JSON], updates: Mapping[str, JSON]
) -> Mapping[str, JSON]:
    """The arguments with those of a hook in their place, by whichever name it gives them, as the
    tool will read them: what is judged next is what runs."""
    kept = {key: value for key, value in arguments.items() if key not in updates}
    return as_read(spec, {**kept, **as_read(spec, updates)})


def _rejected(reason: str) -> Decision:
    """Source: runtime.md §5.3, exact."""
    text = f"The tool call was rejected by a pre_tool_use hook. Reason: {reason}"
    return Decision(False, "pre_tool_use_hook_deny", text)


def about(spec: ToolSpec, call: ToolCall, arguments: Arguments) -> dict[str, JSON]:
    """What hooks are told of a call."""
    return {
        "tool_name": spec.name,
        "tool_category": spec.category,
        "tool_use_id": call.id,
        "tool_input": arguments,
    }


def final_call(call: ToolCall, arguments: Arguments, written: Arguments) -> ToolCall:
    """The call as observers see it: with the arguments it runs with."""
    if arguments is written or arguments is None:
        return call
    return msgspec.structs.replace(call, arguments=msgspec.json.encode(arguments).decode())


def record(strand: Strand, name: str, decision: Decision) -> None:
    """One line of the audit log."""
    level = logging.INFO if decision.allowed else logging.WARNING
    if audit.isEnabledFor(level):
        audit.log(
            level,
            "run %s agent %s tool %s: %s (%s)",
            strand.ledger.request.id,
            strand.agent.name,
            name,
            "allowed" if decision.allowed else "refused",
            decision.source,
        )
