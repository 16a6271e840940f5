"""Reading the `skills` of an agent or a group. Source: agent-file.md §2.5."""

from __future__ import annotations

from docker_agent.config.convert import convert
from docker_agent.config.skills import InlineSkill, Skills
from docker_agent.config.tree import Items, Raw, Scalar, Table

LOCAL = "local"


def read_skills(raw: Raw | None) -> Skills:
    """`true` is the local ones, `false` and nothing none; a list holds sources, names to keep, and
    inline skills.

    Raises `ConfigError` for anything else.
    """
    if raw is None:
        return Skills()
    if isinstance(raw.node, Scalar) and isinstance(raw.node.value, bool):
        return Skills((LOCAL,)) if raw.node.value else Skills()
    if not isinstance(raw.node, Items):
        raise raw.error(f"is {raw.kind}; true, false or a list is expected")
    sources: list[str] = []
    names: list[str] = []
    inline: list[InlineSkill] = []
    for item in raw.elements():
        match item.node:
            case Table():
                inline.append(_inline_skill(item, inline))
            case Scalar(text=text) if not item.is_null and text.strip():
                (sources if _is_source(text) else names).append(text)
            case _:
                raise item.error("must be 'local', an address, the name of a skill, or a skill")
    if names and not sources:
        sources.append(LOCAL)
    return Skills(tuple(dict.fromkeys(sources)), tuple(dict.fromkeys(names)), tuple(inline))


def _is_source(text: str) -> bool:
    return text == LOCAL or text.startswith(("http://", "https://"))


def _inline_skill(raw: Raw, before: list[InlineSkill]) -> InlineSkill:
    skill = convert(raw, InlineSkill)
    for key in ("name", "description", "instructions"):
        if not getattr(skill, key).strip():
            raise skill.error(f"the key {key!r} is missing or blank")
    if skill.context != "fork":
        for key in ("allowed_tools", "toolsets"):
            if getattr(skill, key):
                raise skill.error("needs 'context: fork'", key)
    if any(skill.name == other.name for other in before):
        raise skill.error(f"the skill {skill.name!r} is already defined", "name")
    return skill
