"""The promises of models by a ChatGPT subscription."""

from __future__ import annotations

from tests.promises.promise import kept

CHATGPT = [
    *kept(
        "agent-file.md §3.2.1",
        {
            "models:chatgpt:wire": (
                "OpenAI's own client gets along with the scripted backend of ChatGPT."
            ),
            "models:chatgpt:request": (
                "A question has the headers and the body that ChatGPT's backend takes: "
                "instructions, nothing stored, no sampling."
            ),
            "models:chatgpt:sign-in": (
                "The token is looked up again when it is refused; who is not signed in is told how."
            ),
            "models:chatgpt:product": (
                "An agent answers by a subscription through the whole product; no token is kept."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.3; agent-file.md §3.4",
        {"models:chatgpt:choice": "A sign-in at ChatGPT counts for auto and first_available."},
    ),
    *kept(
        "chat-server.md §6; agent-file.md §3.12",
        {
            "models:chatgpt:elsewhere": (
                "The token goes to no address of a file from elsewhere, and through no gateway."
            )
        },
    ),
    *kept(
        "agent-file.md §6.1",
        {
            "file:6.1:chatgpt": (
                "A sign-in at ChatGPT kept in the configuration directory is a variable while it "
                "holds."
            )
        },
    ),
]
