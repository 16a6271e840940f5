"""The promises of chat-server.md §1: the command, its flags, its start and its end."""

from __future__ import annotations

from tests.promises.promise import kept

COMMAND = "chat-server.md §1"

CHAT_START = [
    *kept(
        COMMAND,
        {
            "chat:1:conversation-stores": (
                "--conversations keeps them in memory, SQLite or Redis, with the same cap and TTL."
                " Without --conversations-max a store is refused."
            ),
            "chat:1:command": "`docker-agent serve chat FILE [flags]` serves an agent file.",
            "chat:1:version": "`docker-agent version` says the version.",
            "chat:1:help": "`--help` works after every command.",
            "chat:1:banner": "Stdout holds exactly the two lines; everything else goes to stderr.",
            "chat:1:port-0": "Port 0 takes a free port, and the printed one is the real one.",
            "chat:1:errors": (
                "A bad file, flag, reference, missing variable or taken port is one clear "
                "message on stderr without a traceback: status 2 for a flag's syntax or value, "
                "else 1."
            ),
            "chat:1:completion": "`completion` prints a script that completes the command.",
            "chat:1:wildcard": "A wildcard address prints what is bound, and a 127.0.0.1 URL.",
            "chat:1:listen-key": (
                "A non-loopback address without a key is refused, unless --insecure-no-auth."
            ),
            "chat:1:api-key-env": (
                "A named variable that is unset or empty stops the start; it is looked up "
                "through the environment chain."
            ),
            "chat:1:api-key": "--api-key and --api-key-env together: both keys are valid.",
            "chat:1:empty-key": "--api-key '' means no key.",
            "chat:1:max-request-size": (
                "The limit counts the decoded body, also chunked and compressed; 0 and less mean "
                "the default."
            ),
            "chat:1:request-timeout": "--request-timeout spans model, tools and streaming.",
            "chat:1:loop": "--loop chooses uvloop or asyncio.",
            "chat:1:disconnect": "A client that leaves cancels its run.",
            "chat:1:allowed-host": (
                "--allowed-host NAME lets a further Host in on loopback; the 403 names host and "
                "flag."
            ),
            "chat:1:keep-alive": (
                "--keep-alive sets the silence after which a stream shows a chunk with an empty "
                "delta; 0 is off."
            ),
            "chat:1:max-turns": (
                "--max-turns bounds the model calls of one run over all agents and ends it like "
                "max_iterations."
            ),
            "chat:1:shutdown": (
                "On SIGTERM and SIGINT no new requests are taken, and running ones finish."
            ),
            "chat:1:second-signal": "A second signal ends the server at once.",
            "chat:1:global-flags": (
                "--debug, --log-file, --cache-dir, --config-dir and --data-dir stand before or "
                "after the command's name."
            ),
            "chat:1:working-dir": (
                "--working-dir is where agents work, and where relative paths start."
            ),
            "chat:1:env-from-file": "--env-from-file reads variables; repeatable.",
            "chat:1:listen": (
                "--listen takes host:port, [::1]:port, :port and unix:///path; a socket file "
                "takes any Host and counts as loopback."
            ),
            "chat:1:cors-origin": (
                "--cors-origin takes origins, * and ~regex; an invalid one stops the start."
            ),
            "chat:1:api-keys-file": (
                "--api-keys-file holds name:key lines and must not be world-readable."
            ),
            "chat:1:reload": (
                "SIGHUP reads agents and keys again; what is broken keeps the old ones and says so."
            ),
            "chat:1:max-idle-runtimes": "--max-idle-runtimes is taken: 4, or 0 and more.",
            "chat:1:strict-models": "--strict-models answers an unknown model with 404.",
            "chat:1:model-alias": (
                "--model-alias gpt-4o=root gives an agent a further name; an unknown target "
                "stops the start."
            ),
            "chat:1:on-disconnect": "--on-disconnect finish ends the run and keeps its turn.",
            "chat:1:client-tools": "--client-tools chooses which tools of clients are offered.",
            "chat:1:tool-events": "--tool-events shows tool activity in one of four shapes.",
            "chat:1:otel": "-o, --otel exports traces and metrics over OTLP/HTTP, without texts.",
            "chat:1:max-concurrency": (
                "--max-concurrency bounds the runs at once; more are 429 with Retry-After."
            ),
            "chat:1:shutdown-timeout": (
                "--shutdown-timeout bounds the drain; what still runs is cut with an error event."
            ),
            "chat:1:draining": (
                "While the server drains, a new request on an open connection is 503 with "
                "Retry-After."
            ),
            "chat:1:plugin": "The executable answers as a Docker CLI plugin.",
            "chat:1:models-gateway": "--models-gateway is honoured.",
            "chat:1:code-mode": "--code-mode-tools puts every agent in code mode.",
            "chat:1:hook-flags": "The six --hook-* flags add hooks.",
            "chat:1:durations": "Durations are Go durations: 300ms, 1m30s, 2h.",
        },
    ),
    *kept(
        COMMAND,
        {
            "chat:1:reference": "An agent is served from a registry reference, a URL, an alias.",
        },
    ),
    *kept(
        COMMAND,
        {
            "chat:1:slow-toolsets": (
                "Slow toolsets start in the background; the socket answers at once."
            ),
        },
    ),
]
