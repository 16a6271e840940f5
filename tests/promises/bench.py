"""The promises of the benchmarks and of the scripted model."""

from __future__ import annotations

from tests.promises.promise import kept

BENCH = [
    *kept(
        "STYLE.md §Tests",
        {
            "scripted:sdk": (
                "The official SDK understands every kind of answer of the scripted model server."
            ),
            "scripted:embeddings": "The official SDK reads its vectors, as `/embeddings` has them.",
            "scripted:order": "Replies come one per request in order and the last one repeats.",
            "scripted:shapes": "A stream has exactly the provider's habits that were scripted.",
            "scripted:writes": (
                "Each event is a write of its own unless told otherwise; stream and JSON "
                "say the same."
            ),
            "scripted:gates": "A gate holds a reply until the test opens it.",
            "scripted:cut": (
                "The server knows whether the peer hung up, stopped reading, or read to the end."
            ),
            "scripted:death": "The server dies after exactly the scripted bytes, with FIN or RST.",
            "scripted:connections": "Connections are kept, closed and ended as scripted.",
            "scripted:harness": (
                "The harness starts the real command in a home of its own and shows its stderr "
                "when it fails."
            ),
        },
    ),
    *kept(
        "DESIGN.md §5",
        {
            "bench:goals": (
                "Each scenario is judged by the goals of the design, as multiples of nginx."
            ),
            "bench:protocols": (
                "A chunk over each provider's protocol is compared with one of Chat Completions."
            ),
            "bench:tools": (
                "What fifty tools add to a request is measured beside the same request without."
            ),
            "bench:table": (
                "One table a run: medians, ratios, verdicts; failed or short answers are failures."
            ),
            "bench:compare": (
                "Two products are compared by the ratio of their minima; up to 1.10 is unchanged."
            ),
        },
    ),
    *kept(
        "STYLE.md §Benchmarks, docs, examples",
        {
            "bench:svg": "The chart has one bar for each ratio and its goal.",
            "bench:options": "The command line chooses what runs; a wrong flag is explained.",
            "bench:missing": "Without gcc or nginx one line says what to install.",
            "bench:requests": "Requests carry the marker that tells the model what to answer.",
        },
    ),
]
