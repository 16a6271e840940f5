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
]
