"""The promises of recordings, gateways, routing and the rest of what surrounds a model."""

from __future__ import annotations

from tests.promises.promise import kept

PROVIDERS = [
    *kept(
        "DESIGN.md §8; agent-file.md §3.2.3; runtime.md §4",
        {
            "models:contract": (
                "Every protocol answers, calls tools, counts, fails and is cancelled in the same "
                "way."
            )
        },
    ),
    *kept(
        "agent-file.md §3.2",
        {
            "models:recording:form": (
                "A recording is YAML of version 2, ours or go-vcr's; what is wrong with one is "
                "said with its place."
            ),
            "models:recording:scrub": "No key gets into a recording.",
            "models:recording:product": (
                "--record writes down every exchange with a model, and overwrites nothing."
            ),
            "models:recording:cut": (
                "A call that was cancelled is recorded as far as it came, and replayed to there."
            ),
            "models:recording:command": "docker-agent record serves or asks, and records.",
            "models:replay:order": (
                "A question gets the first answer left for its path, its own where it was "
                "recorded, and never another's title."
            ),
            "models:replay:exhausted": "A recording that runs out says so.",
            "models:replay:choice": (
                "auto and first_available come to the model that was recorded, and a model to the "
                "API that was, whatever is set."
            ),
            "models:replay:events": "A recorded stream is replayed event by event.",
            "models:replay:product": "--fake answers offline, without keys.",
            "models:replay:go": "Recordings of the Go program are replayed, over four protocols.",
        },
    ),
    *kept(
        "agent-file.md §3.11; runtime.md §16.3",
        {"models:routing": "A router asks the model whose examples are most like the question."},
    ),
    *kept(
        "DESIGN.md §8; agent-file.md §3.10",
        {
            "models:fallback:ninth-turn": (
                "An overload in the ninth turn is retried there: no tool runs twice, no text "
                "comes twice."
            )
        },
    ),
    *kept(
        "agent-file.md §3.6; agent-file.md §3.2.1",
        {"loader:caps": "Caps and headers that look wrong are warned of at load."},
    ),
    *kept(
        "agent-file.md §3.11",
        {
            "loader:routing": (
                "Routers of a file ask named, inline and alloyed targets, whose keys are needed."
            )
        },
    ),
    *kept(
        "runtime.md §8.3",
        {"loader:toolset-model": "Models that toolsets name are opened with the team."},
    ),
    *kept(
        "agent-file.md §3.8",
        {
            "models:dmr:address": (
                "Docker Model Runner is found: base_url, MODEL_RUNNER_HOST, the docker command; a "
                "socket is as good as a port."
            ),
            "models:dmr:configure": "Its engine is set up as the file says.",
            "models:dmr:options": (
                "Wrong options stop the start; tools, messages and pictures go as local engines "
                "take them."
            ),
            "models:dmr:pull": "A model that is missing is fetched at the start.",
            "models:dmr:errors": "What fails says what to do.",
            "models:dmr:choice": "auto ends with a model that a runner has.",
        },
    ),
    *kept(
        "agent-file.md §3.12",
        {
            "models:gateway:address": "A gateway is an http(s) address; some are trusted.",
            "models:gateway:request": (
                "OpenAI's, Anthropic's and Google's models go through the gateway, which is told "
                "where to and by whom; no provider's key leaves."
            ),
            "models:gateway:trust": "The Docker token goes to trusted gateways alone.",
            "models:gateway:bypass": "bypass_models_gateway goes direct, with own keys.",
            "models:gateway:choice": (
                "With a gateway the first candidate is available, auto is Anthropic, and auth "
                "is an error."
            ),
            "models:gateway:sources": (
                "The gateway comes from the flag, a variable or the user's own file, which also "
                "names a default model and providers."
            ),
        },
    ),
    *kept(
        "DESIGN.md §7",
        {
            "providers:live": (
                "make e2e-live asks each provider whose key is set, and names the rest."
            ),
            "providers:docs": "The table of providers is generated and whole.",
        },
    ),
    *kept(
        "agent-file.md §3.5",
        {
            "models:catalogue:known": "Windows, limits, modalities and prices are known offline.",
            "models:catalogue:file": (
                "What a file says stays; a fetched catalogue goes before the shipped one."
            ),
            "models:catalogue:clamp": "Caps on answers fit window and model.",
            "models:catalogue:refresh": "models refresh fetches a newer catalogue.",
            "models:catalogue:daily": (
                "--refresh-models fetches it once a day; without, no start asks the network."
            ),
            "models:catalogue:latest": (
                "A named model whose id stands for the newest version is asked by its dated id."
            ),
        },
    ),
    *kept(
        "runtime.md §3.9",
        {
            "models:catalogue:cost": "A call costs what its tokens cost, where prices are known.",
            "models:catalogue:metric": "/metrics counts what calls cost, by agent and model.",
            "models:catalogue:header": "--cost-header tells what a whole reply cost.",
        },
    ),
]
