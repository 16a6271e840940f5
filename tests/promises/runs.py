"""The promises of the runtime: turns, tools, sub-agents, ends; and of permissions."""

from __future__ import annotations

from tests.promises.promise import kept

RUNS = [
    *kept(
        "runtime.md §3.4",
        {
            "runtime:3.4:balance": (
                "Every call is answered exactly once right after its message, and nothing is an "
                "orphan."
            ),
            "runtime:3.4:old-tools": "Old calls and results are forgotten from the oldest on.",
            "runtime:3.4:result-cap": "A long result loses its middle.",
        },
    ),
    *kept(
        "agent-file.md §4.4",
        {
            "runtime:3.4:blanks": "Blank messages are left out.",
            "runtime:3.4:history": "Old messages go, never what the user said.",
        },
    ),
    *kept(
        "runtime.md §3.5",
        {
            "runtime:3.5:iterations": "The iteration limit is told as the answer, per agent.",
            "runtime:3.5:turns": "The turns of a run are shared with its sub-agents.",
        },
    ),
    *kept(
        "runtime.md §3.6",
        {
            "runtime:3.6:repeats": "Identical batches in a row end the run; others do not.",
        },
    ),
    *kept(
        "runtime.md §3.8",
        {
            "runtime:3.8:deadline": (
                "A deadline stops tools, models and sub-agents, and is told to them."
            ),
            "runtime:3.8:cancel": (
                "Cancelling stops tools, models and sub-agents at every depth before it propagates."
            ),
            "runtime:spawn": (
                "Work that a tool started ends with the run; its faults go to the log."
            ),
        },
    ),
    *kept(
        "runtime.md §4.1",
        {
            "runtime:4.1:finish": (
                "Calls of a refused answer are dropped, cut ones still run, and nothing becomes "
                "words."
            ),
        },
    ),
    *kept(
        "runtime.md §4; DESIGN.md §1",
        {
            "runtime:4:failure": "A model that fails ends the run with its error as a value.",
        },
    ),
    *kept(
        "runtime.md §5.2",
        {
            "runtime:5.2:batch": (
                "At most eight tools of a batch run at once; results stand in the order of the "
                "calls."
            ),
            "runtime:5.2:end-run": "A tool may end the run, and the next turn goes on.",
        },
    ),
    *kept(
        "runtime.md §5.3",
        {
            "runtime:5.3:errors": (
                "What goes wrong in a tool is told to the model in the exact words."
            ),
        },
    ),
    *kept(
        "runtime.md §3.2; runtime.md §3.3",
        {
            "runtime:hooks": (
                "Hooks add context per run and per call, and may stop a run before the model is "
                "asked."
            ),
        },
    ),
    *kept(
        "runtime.md §6.2",
        {
            "runtime:permissions": (
                "A refused call does not run; the model is told and the audit line says why."
            ),
        },
    ),
    *kept(
        "chat-server.md §3",
        {
            "runtime:overrides": "What a client asked holds for the entry agent alone.",
        },
    ),
    *kept(
        "runtime.md §3.10",
        {
            "runtime:events": "A run tells what happens in its order.",
        },
    ),
    *kept(
        "chat-server.md §4",
        {
            "runtime:text-law": (
                "What was streamed at depth 0 is the answer, a blank line between turns."
            ),
        },
    ),
    *kept(
        "runtime.md §11.4",
        {
            "runtime:pending": "A hand-off beside a client's call is kept.",
            "runtime:11.4:handoff": (
                "The new agent is told and sees everything; a sub-agent may hand its task over."
            ),
            "runtime:11.4:targets": "A hand-off to nobody is an error that names everybody.",
        },
    ),
    *kept(
        "agent-file.md §4.1; agent-file.md §4.2",
        {
            "runtime:prompt-blocks": (
                "The blocks of a prompt stand in their order and carry their facts."
            ),
        },
    ),
    *kept(
        "runtime.md §11.1",
        {
            "runtime:11.1:transfer": (
                "A sub-agent sees its task and nothing else; its last text is the result."
            ),
            "runtime:11.1:targets": "A task for nobody is an error that names everybody.",
            "runtime:11.1:limits": "Sub-agents nest eight deep; a request hands out fifty tasks.",
            "runtime:11.1:errors": "What ends a sub-agent is a tool error for the one that asked.",
        },
    ),
    *kept(
        "runtime.md §6.4",
        {
            "runtime:11.1:safety": (
                "A sub-agent runs in the strictest of its own and its caller's mode."
            ),
            "permissions:modes": "The mode decides by the label; the strictest mode counts.",
        },
    ),
    *kept(
        "runtime.md §11.5",
        {
            "runtime:11.5:force": "A pipeline of agents speaks stage after stage, as one answer.",
        },
    ),
    *kept(
        "runtime.md §6.3",
        {
            "permissions:rules": "A rule matches a call as its pattern says.",
            "permissions:unreadable": "Arguments nobody can read fail closed.",
            "permissions:glob-law": "A glob is what it says, for any pattern and text.",
            "permissions:glob-linear": "No pattern takes for ever on any text.",
        },
    ),
    *kept(
        "runtime.md §6.2; runtime.md §6.3",
        {
            "permissions:order": "Deny comes before allow, and allow before ask, in every mode.",
        },
    ),
]
