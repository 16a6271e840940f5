"""The promises of the loader: from a file to a live team."""

from __future__ import annotations

from tests.promises.promise import kept

LOADING = [
    *kept(
        "agent-file.md §3.3",
        {
            "loader:auto": (
                "`auto` is the default model, else the first provider whose key is set, else the "
                "embedded model; else an error with the ways out."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.4",
        {
            "loader:first-available": (
                "The first candidate whose variables are set is it; none is an error with what "
                "each lacks."
            ),
        },
    ),
    *kept(
        "agent-file.md §6.4",
        {
            "loader:preflight": "All missing variables are told at once, before anything opens.",
        },
    ),
    *kept(
        "agent-file.md §8",
        {
            "loader:providers": "A provider or protocol that cannot be reached stops the start.",
            "loader:agent-flag": "An unknown agent is an error that names those there are.",
        },
    ),
    *kept(
        "DESIGN.md §8",
        {
            "loader:guards": "A guard that is not built stops the start.",
            "loader:wishes": "A wish that is not granted is one warning.",
            "loader:generations": "A changed file takes over, a bad one does not.",
        },
    ),
    *kept(
        "agent-file.md §2.2; agent-file.md §12",
        {
            "loader:team": "What the file says reaches the live team, in its order.",
        },
    ),
    *kept(
        "chat-server.md §6",
        {
            "loader:trust": "A file from elsewhere allows nothing by itself.",
        },
    ),
    *kept(
        "runtime.md §6.4",
        {
            "loader:refusals": "The log names the tools that a mode refuses.",
        },
    ),
    *kept(
        "agent-file.md §2.7.2",
        {
            "loader:alloy": "An alloy of the file asks all its models.",
        },
    ),
    *kept(
        "agent-file.md §3.10",
        {
            "loader:fallback": (
                "A fallback of the file answers in its turn; cooldowns are per agent."
            ),
        },
    ),
    *kept(
        "agent-file.md §5.1; agent-file.md §8",
        {
            "loader:source": "What is no agent file is an error that says what would be right.",
        },
    ),
]
