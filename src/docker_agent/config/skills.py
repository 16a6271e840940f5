"""What an agent file declares about skills: where they come from, which, and those written
inline."""

from __future__ import annotations

from typing import Literal

import msgspec

from docker_agent.config.tree import Placed


class InlineSkill(Placed, frozen=True, kw_only=True):
    """A skill written in the agent file; `allowed_tools` and `toolsets` only when it forks."""

    name: str = ""
    description: str = ""
    instructions: str = ""
    context: Literal["", "fork"] = ""
    model: str = ""
    allowed_tools: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()


class Skills(msgspec.Struct, frozen=True):
    """The skills of an agent: `sources` are `local` or addresses, `names` keep only those."""

    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    inline: tuple[InlineSkill, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.inline)

    def joined(self, other: Skills) -> Skills:
        """Both, each source and name once; of inline skills of one name this one's."""
        own = {skill.name for skill in self.inline}
        return Skills(
            tuple(dict.fromkeys((*self.sources, *other.sources))),
            tuple(dict.fromkeys((*self.names, *other.names))),
            (*self.inline, *(skill for skill in other.inline if skill.name not in own)),
        )
