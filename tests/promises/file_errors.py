"""The promises of agent-file.md §8: what is refused, and in which words."""

from __future__ import annotations

from tests.promises.promise import kept

FILE_ERRORS = [
    *kept(
        "agent-file.md §8",
        {
            "file:8:E10": (
                "Error 10 of the catalogue, agent without model and harness, is found and said "
                "with its place."
            ),
            "file:8:E11": (
                "Error 11 of the catalogue, unknown model reference, is found and said "
                "with its place."
            ),
            "file:8:E12": (
                "Error 12 of the catalogue, unknown fallback, title or compaction model, is "
                "found and said with its place."
            ),
            "file:8:E13": (
                "Error 13 of the catalogue, unknown provider, is found and said with its place."
            ),
            "file:8:E14": (
                "Error 14 of the catalogue, bad provider definition, is found and said "
                "with its place."
            ),
            "file:8:E15": (
                "Error 15 of the catalogue, bad first_available, is found and said with its place."
            ),
            "file:8:E19": (
                "Error 19 of the catalogue, compaction_threshold out of range, is found and "
                "said with its place."
            ),
            "file:8:E2": (
                "Error 2 of the catalogue, YAML syntax error, is found and said with its place."
            ),
            "file:8:E20": (
                "Error 20 of the catalogue, bad thinking or task budget, is found and said "
                "with its place."
            ),
            "file:8:E21": (
                "Error 21 of the catalogue, bad fallback, is found and said with its place."
            ),
            "file:8:E22": (
                "Error 22 of the catalogue, unknown agent reference, is found and said "
                "with its place."
            ),
            "file:8:E23": (
                "Error 23 of the catalogue, external name that clashes, is found and said "
                "with its place."
            ),
            "file:8:E24": (
                "Error 24 of the catalogue, force_handoff to itself or in a circle, is found "
                "and said with its place."
            ),
            "file:8:E25": (
                "Error 25 of the catalogue, instruction files that must not or cannot be read, "
                "is found and said with its place."
            ),
            "file:8:E26": (
                "Error 26 of the catalogue, unknown shared definition, is found and said "
                "with its place."
            ),
            "file:8:E27": (
                "Error 27 of the catalogue, mcps ref that is not docker:, is found and said "
                "with its place."
            ),
            "file:8:E28": (
                "Error 28 of the catalogue, bad toolset, is found and said with its place."
            ),
            "file:8:E29": (
                "Error 29 of the catalogue, bad skills, is found and said with its place."
            ),
            "file:8:E30": (
                "Error 30 of the catalogue, bad command, is found and said with its place."
            ),
            "file:8:E31": "Error 31 of the catalogue, bad hooks, is found and said with its place.",
            "file:8:E32": (
                "Error 32 of the catalogue, bad harness, is found and said with its place."
            ),
            "file:8:E33": "Error 33 of the catalogue, bad auth, is found and said with its place.",
            "file:8:E35": (
                "Error 35 of the catalogue, unset variable in a shell-like field, is found and "
                "said with its place."
            ),
            "file:8:E4": (
                "Error 4 of the catalogue, unknown version, is found and said with its place."
            ),
            "file:8:E42": (
                "Error 42 of the catalogue, bad env file, is found and said with its place."
            ),
            "file:8:E5": "Error 5 of the catalogue, unknown key, is found and said with its place.",
            "file:8:E6": (
                "Error 6 of the catalogue, duplicate key, is found and said with its place."
            ),
            "file:8:E7": "Error 7 of the catalogue, wrong type, is found and said with its place.",
            "file:8:E8": (
                "Error 8 of the catalogue, name of an agent that is no text, is found and said "
                "with its place."
            ),
            "file:8:nothing-else": (
                "Any bytes and any tree give an agent file or an error for the operator, "
                "nothing else."
            ),
            "file:8:several": "The first ten problems are said at once, a line each.",
        },
    ),
]
