"""The promises about forms of agent files beyond YAML, and about the commands that look at them."""

from __future__ import annotations

from tests.promises.promise import kept

FORMS = [
    *kept(
        "agent-file.md §1.2",
        {
            "file:1.2:same-as-yaml": "An HCL file comes to the same tree as its YAML form.",
            "file:1.2:blocks": (
                "Blocks become maps, lists or single objects by their kind; wrong labels and "
                "duplicates are errors."
            ),
            "file:1.2:values": (
                "Attributes are evaluated: numbers exactly, operators, conditionals, for, splats."
            ),
            "file:1.2:templates": (
                "Texts and heredocs are templates; `$${` and `%%{` are literal; a heredoc keeps "
                "its last line break."
            ),
            "file:1.2:file": (
                "file(path) reads a text beside the agent file, file(path, {…}) renders it; "
                "nothing outside the directory is read."
            ),
            "file:1.2:bounds": "Depth, values, numbers and rendered text of HCL are bounded.",
        },
    ),
    *kept(
        "agent-file.md §8",
        {
            "file:8:E3": (
                "Error 3 of the catalogue, HCL syntax, labels, duplicate blocks and file(), is "
                "found and said with its place."
            ),
        },
    ),
    *kept(
        "agent-file.md §8",
        {
            "cli:check:tree": (
                "`check` shows the team as a tree: agents, models, toolsets, sub-agents, what is "
                "missing, what the safety mode refuses."
            ),
            "cli:check:json": "`check --json` says the same to programs, and no secret.",
            "cli:check:status": (
                "`check` exits 0 for a file that is right, else 1; --strict also fails for "
                "warnings and for what this machine lacks."
            ),
            "cli:check:quiet": "`check` starts nothing and writes nothing.",
        },
    ),
    *kept(
        "seed.txt:5-8",
        {
            "cli:init:writes": "`init` writes a commented first file, in YAML or HCL, that works.",
            "cli:init:keeps": "`init` overwrites nothing.",
            "cli:chat:once": (
                "`chat FILE MESSAGE` prints one answer; what is piped in follows the message."
            ),
            "cli:chat:conversation": (
                "`chat FILE` holds a conversation in the terminal, streamed, tools shown."
            ),
            "cli:chat:stop": "Ctrl-C stops an answer, and leaves the conversation as it was.",
        },
    ),
    *kept(
        "agent-file.md §2; DESIGN.md §2",
        {
            "file:2:keys": (
                "Structs, version tables and toolset rules have exactly the keys of a list typed "
                "from the specification."
            ),
            "file:schema:structs": (
                "The JSON Schema has the keys of all Structs and of every adapter's options, each "
                "explained."
            ),
            "file:schema:accepts": "The JSON Schema accepts what the loader accepts.",
            "file:schema:refuses": "The JSON Schema refuses unknown keys and wrong types.",
            "file:schema:printed": "`docker-agent schema` prints the published JSON Schema.",
        },
    ),
]
