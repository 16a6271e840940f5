"""The promises of the toolset that finds MCP servers in the catalogue."""

from __future__ import annotations

from tests.promises.promise import kept

CATALOG = [
    *kept(
        "runtime.md §9.20",
        {
            "catalog:search": (
                "A search of the catalogue shows the services that need no sign-in and no key, "
                "best first, as JSON."
            ),
            "catalog:refused": (
                "A server that is unknown, needs a sign-in or a key, is no service or cannot be "
                "reached is refused with the reason, and is not enabled."
            ),
            "catalog:enable": (
                "An enabled server is connected when its call answers; its tools come with the "
                "next turn of the run, under its id, until it is disabled."
            ),
            "catalog:visible": "The tools to disable and reset show after the first enabling.",
            "catalog:run": "An agent searches, enables and uses a server in one run over HTTP.",
            "catalog:away": (
                "A catalogue that cannot be had is a tool error, one warning, and nothing at the "
                "start; the next call tries again."
            ),
        },
    ),
    *kept(
        "runtime.md §1.3",
        {
            "catalog:apart": (
                "What a conversation enables is its own, and so is its session with the server."
            ),
            "catalog:restart": (
                "The enabled set is kept with the conversation, and connected with again when it "
                "is used; a server that is away keeps no turn from going on."
            ),
            "catalog:turns": (
                "A turn that fails, or a request without a conversation, has enabled nothing for "
                "the next one, and leaves no session."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.9",
        {
            "catalog:lists": (
                "`allowed_servers` and `blocked_servers` say which servers there are; the block "
                "wins."
            )
        },
    ),
    *kept(
        "runtime.md §8.5",
        {
            "catalog:names": (
                "Tools that a conversation brings in come last and never take another's name."
            )
        },
    ),
    *kept(
        "runtime.md §10.5",
        {"catalog:private": "Servers of the catalogue are at public addresses unless allowed."},
    ),
    *kept(
        "chat-server.md §6",
        {
            "catalog:guards": (
                "Rules, hooks and the safety mode hold for enabling and for the tools of enabled "
                "servers."
            )
        },
    ),
    *kept(
        "DESIGN.md §8",
        {
            "catalog:cancel": (
                "Whoever leaves while a server is enabled leaves no connection within two seconds."
            ),
            "catalog:bounds": (
                "Enabled servers and sessions are bounded; a session that nobody uses is closed."
            ),
        },
    ),
]
