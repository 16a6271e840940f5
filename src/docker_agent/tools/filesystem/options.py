"""What a `filesystem` entry of an agent file may say."""

from __future__ import annotations

import msgspec


class PostEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After a file whose base name fits the glob `path` was written, the shell runs `cmd` with
    `$file` set."""

    path: str
    cmd: str


class FilesystemOptions(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`ignore_vcs` hides `.git` and what `.gitignore` names. Without an `allow_list` the working
    directory is what can be reached; `deny_list` wins."""

    ignore_vcs: bool = True
    allow_list: tuple[str, ...] = ()
    deny_list: tuple[str, ...] = ()
    post_edit: tuple[PostEdit, ...] = ()
