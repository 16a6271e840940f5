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
        "chat-server.md §3",
        {
            "chat:3:whole-numbers": (
                "Whole numbers may be written with a point; others, and those past 64 bits, are "
                "400."
            ),
        },
    ),
    *kept(
        "parts.md §H",
        {
            "abuse:schema": "A fuzzer that reads /openapi.json finds no failure.",
        },
    ),
    *kept(
        "DESIGN.md §5",
        {
            "abuse:streams": (
                "A thousand streams at once, every tenth client gone in the middle: the others "
                "get every byte, and the memory comes back."
            ),
        },
    ),
    *kept(
        "chat-server.md §7",
        {
            "abuse:turns": (
                "Twenty writers on a hundred conversations, with failures: no turn is lost, "
                "doubled or mixed."
            ),
        },
    ),
    *kept(
        "chat-server.md §1",
        {
            "abuse:kill": "With SQLite a killed server has every turn whose [DONE] was seen.",
            "abuse:term": "A stop under load ends every stream properly.",
        },
    ),
    *kept(
        "clients.md §3.1",
        {
            "packaging:nginx": (
                "The documented nginx configuration passes streams, errors and departures on."
            ),
        },
    ),
    *kept(
        "clients.md §3.3",
        {
            "abuse:slow": (
                "Thousands of idle connections and hundreds of slow senders hold nobody up and "
                "are shown out."
            ),
            "abuse:sizes": "Large bodies and gzip bombs are 413 and cost no memory.",
            "abuse:broken": "Requests that break off reach no model and leave nothing behind.",
        },
    ),
    *kept(
        "parts.md §D",
        {
            "packaging:plugin": (
                "`docker-agent plugin install` links the program where docker looks; `uninstall` "
                "undoes it; another plugin is left alone."
            ),
            "packaging:docker": (
                "The real docker command runs it: arguments, exit codes, help, and every signal."
            ),
        },
    ),
    *kept(
        "DESIGN.md §9",
        {
            "packaging:notify": "The service manager hears when it is ready, reloads and stops.",
            "packaging:systemd": (
                "The systemd unit is valid, closed to what it does not need, and its flags start."
            ),
            "packaging:container": (
                "The container runs as nobody in particular, checks its health, and asks for a key."
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
