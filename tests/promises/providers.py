"""The promises of recordings, gateways, routing and the rest of what surrounds a model."""

from __future__ import annotations

from tests.promises.promise import kept

PROVIDERS = [
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
            "models:recording:command": "docker-agent record serves or asks, and records.",
            "models:replay:order": (
                "A question gets the first answer left for its path, its own where it was recorded."
            ),
            "models:replay:exhausted": "A recording that runs out says so.",
            "models:replay:events": "A recorded stream is replayed event by event.",
            "models:replay:product": "--fake answers offline, without keys.",
            "models:replay:go": "Recordings of the Go program are replayed, over four protocols.",
        },
    ),
]
