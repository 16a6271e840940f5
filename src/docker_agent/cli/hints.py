"""What to say about commands and flags that other programs for agent files have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

_HERE: Mapping[str, str] = MappingProxyType(
    {
        "run": "chat",
        "exec": "chat",
        "new": "init",
        "build": "share push",
        "push": "share push",
        "pull": "share pull",
        "serve api": "serve chat",
        "serve mcp": "serve chat",
        "serve a2a": "serve chat",
    }
)
"""Commands of the other programs, and what comes closest here."""
_FLAGS: Mapping[str, str] = MappingProxyType({"--yolo": "--safety autonomous"})
_FILES = (".yaml", ".yml", ".hcl", ".json")


class HelpfulGroup(click.Group):
    """A group that knows what somebody meant who asks for a command it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a better complaint."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            meant = self._meant(ctx, args[0])
            if meant:
                complaint = f"No such command '{args[0]}'. Did you mean '{meant}'?"
                raise click.UsageError(complaint, ctx) from exc
            raise

    def _meant(self, ctx: click.Context, word: str) -> str:
        program, *groups = ctx.command_path.split()
        here = _HERE.get(" ".join([*groups, word]))
        if here is None and word.endswith(_FILES) and groups in ([], ["serve"]):
            here = f"serve chat {word}"
        return f"{program} {here}" if here else ""


def with_known_flag(exc: click.UsageError) -> click.UsageError:
    """`exc`, which names our flag for one that another program has."""
    if isinstance(exc, click.NoSuchOption) and exc.option_name in _FLAGS:
        meant = _FLAGS[exc.option_name]
        complaint = f"No such option '{exc.option_name}'. Did you mean '{meant}'?"
        return click.UsageError(complaint, exc.ctx)
    return exc
