"""The promises that clients as people have them keep proving, end to end."""

from __future__ import annotations

from tests.promises.promise import kept

E2E = [
    *kept(
        "parts.md §B1",
        {
            "clients:matrix": (
                "Twelve unmodified clients drive an agent: models, JSON, streams, usage, own "
                "tools, schemas, conversations, errors and retries."
            ),
            "clients:embedded": "Each of them also gets answers from the embedded model.",
        },
    ),
    *kept(
        "parts.md §B2",
        {
            "clients:open-webui": (
                "Open WebUI chats through a real browser: streams, titles beside them, tools, "
                "stop, regenerated and edited messages, conversations by header."
            ),
        },
    ),
    *kept(
        "clients.md §3.7",
        {
            "chat:7:whole-history": (
                "Open WebUI, told by its user headers, always sends the whole history: an edited "
                "or regenerated first message branches too."
            ),
        },
    ),
    *kept(
        "chat-server.md §2",
        {
            "chat:2:page": (
                "The page at / chats in a real browser: agents, streaming, stop, key, snippets."
            ),
        },
    ),
]
