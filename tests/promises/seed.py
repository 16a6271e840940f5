"""The promises of seed.txt, line by line: what the program was asked to be."""

from __future__ import annotations

from tests.promises.promise import Promise

TITLES = frozenset(
    {1, 3, 22, 26, 27, 40, 55, 65, 78, 101, 110, 115, 117, 118, 148, 150, 152, 153, 158}
)
"""Lines that promise nothing: headings, table heads, and what is left of lists."""

SEED = [
    Promise(
        "seed:api", "seed.txt:2", "Agents answer at an OpenAI-compatible Chat Completions API."
    ),
    Promise(
        "seed:command",
        "seed.txt:4-6; seed.txt:116",
        "`serve chat FILE [flags]` serves agents at /v1/chat/completions and /v1/models.",
    ),
    Promise(
        "seed:clients",
        "seed.txt:7-10; seed.txt:149",
        "Clients that speak OpenAI's protocol (curl, the OpenAI SDK) drive an agent as they are.",
    ),
    Promise("seed:single", "seed.txt:11-12", "The agent of a single-agent file is the model root."),
    Promise("seed:team", "seed.txt:13-14", "Every agent of a team's file is a model."),
    Promise(
        "seed:registry",
        "seed.txt:17-18",
        "`serve chat agentcatalog/pirate` runs an agent straight from the registry.",
    ),
    Promise(
        "seed:scope",
        "seed.txt:21; seed.txt:160",
        "Only the chat API is served; sessions, confirmations and runtime events are not.",
    ),
    Promise("seed:prefix", "seed.txt:23-24", "The OpenAI-compatible endpoints live under /v1."),
    Promise(
        "seed:openapi",
        "seed.txt:24-25; seed.txt:34-36",
        "/openapi.json describes the server, at the top level, without a key.",
    ),
    Promise(
        "seed:models",
        "seed.txt:28-30; seed.txt:45-47",
        "GET /v1/models lists the agents: id, object, owned_by docker-agent.",
    ),
    Promise(
        "seed:completions",
        "seed.txt:31-33; seed.txt:48-54",
        "POST /v1/chat/completions takes messages and gives a completion, whole or streamed.",
    ),
    Promise("seed:model-is-agent", "seed.txt:37-39", "The request's model is the agent's name."),
    Promise(
        "seed:banner",
        "seed.txt:41-44",
        "The start prints `Listening on 127.0.0.1:8083` and the line with the endpoint's URL.",
    ),
    Promise(
        "seed:stream",
        "seed.txt:56-64",
        '"stream": true gives server-sent chat.completion.chunk deltas.',
    ),
    Promise(
        "seed:sdk",
        "seed.txt:66-77",
        "The OpenAI Python SDK works with base_url and the agent's name; without a key flag any "
        "key passes.",
    ),
    Promise(
        "seed:stateless",
        "seed.txt:79-80",
        "By default the server keeps nothing: a request holds the whole history.",
    ),
    Promise(
        "seed:conversations",
        "seed.txt:81-97; seed.txt:136-138",
        "With --conversations-max above 0, X-Conversation-Id continues a conversation kept here.",
    ),
    Promise(
        "seed:api-key",
        "seed.txt:102-104; seed.txt:126-127",
        "No authentication by default; `--api-key KEY` asks for that bearer token, '' for none.",
    ),
    Promise(
        "seed:authentication",
        "seed.txt:19-20; seed.txt:105-108; seed.txt:128-129",
        "`--api-key-env NAME`: every request to /v1/* needs `Authorization: Bearer` and its value.",
    ),
    Promise(
        "seed:listen", "seed.txt:109; seed.txt:121-123", "Listens on 127.0.0.1:8083 unless told."
    ),
    Promise(
        "seed:no-cors",
        "seed.txt:111",
        "Without --cors-origin no answer allows another origin.",
    ),
    Promise(
        "seed:cors",
        "seed.txt:111-114; seed.txt:124-125",
        "`--cors-origin ORIGIN` lets a browser client of exactly that origin in.",
    ),
    Promise(
        "seed:agent-flag",
        "seed.txt:15-16; seed.txt:119-120",
        "-a, --agent NAME names the agent to expose; without it every agent is a model.",
    ),
    Promise(
        "seed:max-request-size",
        "seed.txt:130-132",
        "--max-request-size BYTES bounds the request body; 1 MiB by default.",
    ),
    Promise(
        "seed:request-timeout",
        "seed.txt:133-135",
        "--request-timeout bounds model, tools and streaming together; 5m by default.",
    ),
    Promise(
        "seed:max-idle-runtimes",
        "seed.txt:142-144",
        "--max-idle-runtimes bounds the idle runtimes pooled per agent; 4 by default, 0 for none.",
    ),
    Promise(
        "seed:runtime-flags",
        "seed.txt:145-147",
        "--working-dir and --env-from-file are accepted too.",
    ),
    Promise(
        "seed:models-gateway",
        "seed.txt:146",
        "--models-gateway is accepted too.",
    ),
    Promise("seed:hook-flags", "seed.txt:146", "The --hook-* flags are accepted too."),
    Promise(
        "seed:open-webui",
        "seed.txt:151-157",
        "Open WebUI connects with the base URL, the key, and its origin in --cors-origin.",
    ),
    Promise(
        "seed:open-webui-models",
        "seed.txt:159",
        "Each agent of the file appears as a model to choose.",
    ),
]
