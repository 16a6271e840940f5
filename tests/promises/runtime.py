"""The promises of runtime.md and of agent-file.md's prompt, as the server shows them."""

from __future__ import annotations

from tests.promises.promise import kept

RUNTIME = [
    *kept(
        "runtime.md §4.1",
        {"chat:4:odd-streams": "A model's stream is read to its end, whatever the end looks like."},
    ),
    *kept(
        "runtime.md §20.2; chat-server.md §4",
        {
            "runtime:20.2:unknown-tool": "A call for a tool there is not is told to the model.",
            "runtime:20.2:broken-arguments": "Broken arguments are told to the model.",
            "runtime:20.2:parallel": "Results stand in the order of the calls.",
            "runtime:20.2:redacted": (
                "A secret in a tool's output is taken out before events and models see it."
            ),
            "runtime:20.2:loop": "The same call five times ends the run: loop_detected.",
            "runtime:20.2:max-iterations": "The iteration limit ends with its notice and length.",
        },
    ),
    *kept(
        "runtime.md §11.5",
        {"agent-file:force-handoff": "A pipeline of agents speaks with one voice."},
    ),
    *kept(
        "agent-file.md §4.1",
        {"agent-file:4.1:prompt-order": "The parts of the prompt stand in their order."},
    ),
]
