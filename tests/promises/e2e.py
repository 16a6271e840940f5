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
]
