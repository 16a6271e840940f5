"""The promises of toolsets around agents: tasks beside a run, models to choose from."""

from __future__ import annotations

from tests.promises.promise import kept

AGENTS = [
    *kept(
        "runtime.md §11.6",
        {
            "runtime:11.6:task": (
                "A sub-agent works beside the run; its state and result can be looked at."
            ),
            "runtime:11.6:unheard": "What a task says is its result alone; what it does is told.",
            "runtime:11.6:stop": "A task can be stopped, once, with all it has started.",
            "runtime:11.6:errors": "A wrong task, and one that fails, are told to the model.",
            "runtime:11.6:limits": (
                "20 tasks run at once, a run has 100, and each keeps 10 MB of output."
            ),
            "runtime:11.6:end": "Tasks end with the run, however it ends.",
            "runtime:11.6:depth": "Tasks nest as deep as sub-agents do.",
            "runtime:11.6:hooks": "The end of a task is told to the agent that gave it.",
            "runtime:11.6:runs": "A run sees its own tasks alone.",
            "background-agents:http:stream": (
                "A client reads what the agent says; usage counts its tasks too."
            ),
            "background-agents:http:end": (
                "Nothing is left of a task after the answer, a client that left, a time-out or "
                "a stop of the server."
            ),
            "background-agents:http:users": "Two users at once have tasks of their own.",
        },
    ),
    *kept(
        "runtime.md §9.19; runtime.md §1.3",
        {
            "model-picker:change": "A conversation keeps the model it has chosen, no other does.",
            "model-picker:revert": "A conversation goes back to the agent's own model.",
            "model-picker:failed-turn": "A failed turn chooses nothing.",
            "model-picker:stateless": "Without a conversation a choice ends with the request.",
            "model-picker:listed": "Only listed models can be chosen; others are named an error.",
            "model-picker:loaded": "Models to choose from are opened and checked at the start.",
        },
    ),
    *kept(
        "runtime.md §9.18",
        {
            "open-url:nothing": "open_url is accepted, offers nothing and says so at the start.",
        },
    ),
    *kept(
        "chat-server.md §5",
        {
            "background-agents:http:events": (
                "Who asked to see tools sees those of a task, and none of its words."
            ),
        },
    ),
    *kept(
        "runtime.md §3.6",
        {
            "runtime:11.6:polling": "Looking at tasks again and again is no loop.",
        },
    ),
    *kept(
        "runtime.md §6.4",
        {
            "runtime:11.6:safety": (
                "A task runs in the strictest of both modes and under the rules; under "
                "`restricted` none is started."
            ),
            "background-agents:http:restricted": (
                "A server that would refuse background agents says so at the start."
            ),
        },
    ),
]
