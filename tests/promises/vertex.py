"""The promises of models on Google Cloud's Vertex AI."""

from __future__ import annotations

from tests.promises.promise import kept

VERTEX = [
    *kept(
        "agent-file.md §3.2.2; agent-file.md §6.4",
        {
            "models:vertex:wire": (
                "The clients of Google and Anthropic get along with the scripted servers at Vertex "
                "AI's addresses."
            ),
            "models:vertex:places": (
                "Options or variables put Gemini on Vertex AI: its regions, its global endpoint; "
                "what is missing or wrong stops the start and is told by check."
            ),
            "models:vertex:sign-in": (
                "A key file, a user's sign-in, the metadata server or a variable gives the token."
            ),
            "models:vertex:start": (
                "A file without credentials and a missing library are told before the start."
            ),
            "models:vertex:expiry": (
                "A token is fetched anew shortly before its end, and once when it is refused."
            ),
            "models:vertex:cancel": "A cancelled sign-in frees its caller at once.",
            "models:vertex:secrets": (
                "No token or key of Google Cloud gets into errors, logs, recordings or children."
            ),
            "models:vertex:product": (
                "An agent on Vertex AI answers through the whole product, and replays without it."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.2.4",
        {
            "models:vertex:garden": (
                "Model Garden: Claude by streamRawPredict, other publishers by Chat Completions."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.12",
        {
            "models:vertex:gateway": (
                "A models gateway takes Gemini; the Model Garden bypasses it or stops the start."
            ),
        },
    ),
    *kept(
        "chat-server.md §6",
        {
            "models:vertex:elsewhere": (
                "A file from elsewhere sends no token of Google Cloud to an address of its own."
            ),
        },
    ),
]
