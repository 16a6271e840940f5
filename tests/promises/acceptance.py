"""The promises of the acceptance list, and of two users at once."""

from __future__ import annotations

from tests.promises.promise import kept

ACCEPTANCE = [
    *kept(
        "runtime.md §1.3",
        {
            "two-users:state": (
                "Two keys at work at the same moment, under one conversation id: no toolset "
                "shows one what the other did."
            ),
            "memory:turns": (
                "A run sees at once what it changes in memories; they change when it ends well."
            ),
            "two-users:failed": "A turn that fails advances no state, and hands nobody over.",
        },
    ),
    *kept(
        "runtime.md §5.6",
        {
            "results:lasting": (
                "Large results last as long as their conversation, over a restart too where "
                "conversations are in SQLite."
            ),
        },
    ),
    *kept(
        "runtime.md §3.8",
        {
            "runtime:3.8:call-limit": (
                "A call is stopped after 120 seconds where its tool keeps no time itself; a tool "
                "that fails never ends the run."
            ),
            "process:ends:everywhere": (
                "A client that leaves, the deadline and a stop end runs in hooks, functions, MCP "
                "calls, sub-agents and edits, with every process they started."
            ),
        },
    ),
    *kept(
        "runtime.md §11",
        {
            "two-users:team": ("Tasks, helpers and the active agent of one key are nobody else's."),
        },
    ),
    *kept(
        "runtime.md §8.6",
        {
            "two-users:headers": (
                "`${headers.X}` is the header of that very request; a key of this server is "
                "never passed on."
            ),
        },
    ),
    *kept(
        "runtime.md §20.2",
        {
            "runtime:20.2:handoff": (
                "A conversation goes on with the agent it was handed to; a new one begins anew."
            ),
            "runtime:20.2:no-result": (
                "A call of the client's history without a result is given `No result provided`."
            ),
            "runtime:20.2:failing-turn": "A failing turn leaves the conversation as it was.",
            "runtime:20.2:busy": "A second request for a busy conversation is a 409.",
            "runtime:20.2:mcp-dies": (
                "A server that dies is started again for the next call; a call it dies in is an "
                "error and not run twice."
            ),
            "runtime:20.2:hook-refuses": "Exit status 2 of a guard refuses, in every mode.",
            "runtime:20.2:hook-late": "A guard that takes too long refuses; others let go on.",
            "runtime:20.2:large": "Of large output a model sees a notice and the end.",
            "runtime:20.2:overflow": "A history that was refused is summarized once.",
            "runtime:20.2:fallback-stays": (
                "A fallback that answered for a primary with a wrong key is asked first next time."
            ),
            "runtime:20.2:retry": "Two failures that pass, then one answer, after their pauses.",
            "runtime:20.2:broken-stream": "A stream that breaks after text is not begun again.",
            "runtime:20.2:task": "A task's answer is its tool result, and no text of the reply.",
            "runtime:20.2:task-fails": "A child that fails is an error, and the parent answers.",
            "runtime:20.2:elicitation": "A question of an MCP server is declined at once.",
            "runtime:20.2:dial": "A name that leads to this machine is refused when dialled.",
            "runtime:20.2:usage": "The usage of a reply is the sum over all calls of its run.",
            "runtime:20.2:text-call": "A call written as text is run, and its markup not shown.",
        },
    ),
]
