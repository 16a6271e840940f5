"""What the protocol calls languages, and which files belong to a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

_LANGUAGES = {
    **dict.fromkeys(("py", "pyi", "pyw"), "python"),
    **dict.fromkeys(("ts", "mts", "cts"), "typescript"),
    **dict.fromkeys(("js", "mjs", "cjs"), "javascript"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cc", "cpp", "cxx", "hh", "hpp", "hxx"), "cpp"),
    **dict.fromkeys(("sh", "bash", "zsh"), "shellscript"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("md", "markdown"), "markdown"),
    **dict.fromkeys(("html", "htm"), "html"),
    **dict.fromkeys(("ex", "exs"), "elixir"),
    **dict.fromkeys(("pl", "pm"), "perl"),
    **dict.fromkeys(("kt", "kts"), "kotlin"),
    **dict.fromkeys(("tex", "sty"), "latex"),
    "tsx": "typescriptreact",
    "jsx": "javascriptreact",
    "rs": "rust",
    "rb": "ruby",
    "cs": "csharp",
    "fs": "fsharp",
    "m": "objective-c",
    "mm": "objective-cpp",
    "erl": "erlang",
    "hs": "haskell",
    "ps1": "powershell",
    "bat": "bat",
    "tf": "terraform",
    "proto": "proto3",
}
"""By the end of a file's name, where it is not the language's own name."""


def language_of(name: str) -> str:
    """The protocol's name for the language of a file."""
    path = PurePath(name)
    if path.name.lower() in ("dockerfile", "makefile"):
        return path.name.lower()
    end = path.suffix.removeprefix(".").lower()
    return _LANGUAGES.get(end, end or "plaintext")


class FileTypes:
    """The files that a server knows: all when none are named. `py`, `.py` and `*.py` mean the same;
    a whole name (`Dockerfile`) means that file."""

    def __init__(self, named: Sequence[str]) -> None:
        self._ends = tuple(
            dict.fromkeys(end for each in named if (end := each.strip().lower().lstrip("*.")))
        )

    def __bool__(self) -> bool:
        return bool(self._ends)

    def __str__(self) -> str:
        return ", ".join(f".{end}" for end in self._ends) or "all files"

    def has(self, path: str) -> bool:
        """Whether a file is one of them."""
        name = PurePath(path).name.lower()
        return not self._ends or any(name == end or name.endswith(f".{end}") for end in self._ends)
