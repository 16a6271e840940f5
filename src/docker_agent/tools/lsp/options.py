"""What an `lsp` entry of an agent file may say."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.config.toolset import Lifecycle


class LspOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of an `lsp` entry beside those that all toolsets share.

    `version` names a package that the reference program would install; here the command must be
    there. `file_types` are endings (`py`, `.py`); the server knows all files when none are named.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    working_dir: str = ""
    version: str = ""
    file_types: tuple[str, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
