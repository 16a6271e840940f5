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
            "cli:elsewhere": (
                "A command or flag that only other programs for agent files have is told what it "
                "is called here; a file without a command, which command serves it."
            ),
            "cli:check:hooks": (
                "`check` finds builtin hooks that do not exist or stand at the wrong event, as "
                "the server would."
            ),
            "cli:check:refused-in-part": (
                "A tool of which a safety mode refuses some calls is not shown as refused."
            ),
            "cli:check:json": (
                "`check --json` says the same to programs, each problem by itself, and no secret."
            ),
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
    *kept(
        "agent-file.md §8",
        {
            "file:8:E1": (
                "Error 1 of the catalogue, file missing or unreadable, is found and said in words."
            ),
            "file:8:E9": ("Error 9 of the catalogue, no agents, is found and said in words."),
            "file:8:E16": (
                "Error 16 of the catalogue, no candidate that can be used, is found and said "
                "in words."
            ),
            "file:8:E17": (
                "Error 17 of the catalogue, auto impossible, is found and said in words."
            ),
            "file:8:E18": (
                "Error 18 of the catalogue, missing variables, is found and said in words."
            ),
            "file:8:E34": (
                "Error 34 of the catalogue, cache path that escapes, is found and said in words."
            ),
            "file:8:E36": (
                "Error 36 of the catalogue, client that cannot be built, is found and said "
                "in words."
            ),
            "file:8:E37": (
                "Error 37 of the catalogue, Docker's gateway without a token, is found and "
                "said in words."
            ),
            "file:8:E38": (
                "Error 38 of the catalogue, bad registry reference, is found and said in words."
            ),
            "file:8:E39": (
                "Error 39 of the catalogue, refused address, is found and said in words."
            ),
            "file:8:E40": (
                "Error 40 of the catalogue, files that name each other too deep, is found and "
                "said in words."
            ),
            "file:8:E41": (
                "Error 41 of the catalogue, unknown --agent, is found and said in words."
            ),
        },
    ),
    *kept(
        "agent-file.md §1.3",
        {
            "file:1.3:upgrades-valid": (
                "An old file that is right says the same, and is right, in the newest version."
            ),
        },
    ),
    *kept(
        "agent-file.md §2",
        {
            "file:2:unused": (
                "Keys for interactive clients are accepted, and named once in the debug log."
            ),
        },
    ),
    *kept(
        "agent-file.md §1.2",
        {"file:1.2:watched": "What an HCL file reads with file() is watched as the file itself."},
    ),
]
