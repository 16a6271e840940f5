"""Old versions of the agent file brought to the current one, a pure function for each step that
changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from docker_agent.config.tree import Items, Node, Raw, Scalar, Table
from docker_agent.config.versions import CURRENT_VERSION, check_keys, declared_version
from docker_agent.errors import ConfigError


def upgrade(raw: Raw) -> Raw:
    """A file as the current version would say it.

    Raises `ConfigError` for an unknown version, for keys that the declared version does not know,
    and for what no version supports any more. Source: agent-file.md §1.3.
    """
    version = declared_version(raw)
    check_keys(raw, version)
    if version < CURRENT_VERSION:
        _check_old_values(raw, version)
        for number in range(version, CURRENT_VERSION):
            raw = STEPS.get(number, _unchanged)(raw)
    return raw


def from_0(raw: Raw) -> Raw:
    """A model's `type` becomes `provider`; an agent's `todo`, `think` and `memory` toolsets."""
    raw = _each(raw, "models", lambda model: _renamed(model, "type", "provider"))
    return _each(raw, "agents", _with_shorthands)


def from_1(raw: Raw) -> Raw:
    """`env` and `env_file` are gone; said with nothing in them, they are dropped."""
    raw = _without_unsupported(raw, "env")
    raw = _each(raw, "models", lambda model: _without_unsupported(model, "env"))
    return _each_toolset(raw, lambda toolset: _without_unsupported(toolset, "env_file"))


def from_5(raw: Raw) -> Raw:
    """A toolset's `sandbox` is dropped."""
    return _each_toolset(raw, lambda toolset: toolset.without("sandbox"))


def from_6(raw: Raw) -> Raw:
    """An agent's `rag` list becomes toolsets behind its own."""
    return _each(raw, "agents", _with_rag_toolsets)


STEPS: Mapping[int, Callable[[Raw], Raw]] = MappingProxyType(
    {0: from_0, 1: from_1, 5: from_5, 6: from_6}
)


def _unchanged(raw: Raw) -> Raw:
    return raw


def _check_old_values(raw: Raw, version: int) -> None:
    if not 2 <= version <= 6:
        return
    agents = raw.get("agents")
    for agent in agents.children() if agents is not None else ():
        toolsets = agent.get("toolsets")
        for toolset in toolsets.children() if toolsets is not None else ():
            kind = toolset.get("type")
            if kind is not None and kind.plain() == "memory" and toolset.get("path") is None:
                raise toolset.error(f"a memory toolset needs a 'path' in version {version}")


def _with_shorthands(agent: Raw) -> Raw:
    added = [*_todo(agent), *_think(agent), *_memory(agent)]
    toolsets = agent.get("toolsets")
    own = toolsets.node.items if toolsets is not None and isinstance(toolsets.node, Items) else ()
    agent = agent.without("todo", "think", "memory", "name")
    if not added or (toolsets is not None and not isinstance(toolsets.node, Items)):
        return agent
    return agent.with_value("toolsets", Items(agent.line, (*added, *own)))


def _todo(agent: Raw) -> Iterator[Node]:
    todo = agent.get("todo")
    if todo is None or todo.plain() is False:
        return
    shared = todo.get("shared")
    if todo.plain() is not True and not isinstance(todo.node, Table):
        raise todo.error(f"is {todo.kind}; true, false or a mapping is expected")
    extra = {"shared": shared.node} if shared is not None else {}
    yield _toolset(todo.line, "todo", extra)


def _think(agent: Raw) -> Iterator[Node]:
    think = agent.get("think")
    if think is None or think.plain() is False:
        return
    if think.plain() is not True:
        raise think.error(f"is {think.kind}; true or false is expected")
    yield _toolset(think.line, "think", {})


def _memory(agent: Raw) -> Iterator[Node]:
    memory = agent.get("memory")
    if memory is None:
        return
    if not isinstance(memory.node, Table):
        raise memory.error(f"is {memory.kind}; a mapping with a 'path' is expected")
    path = memory.get("path")
    yield _toolset(memory.line, "memory", {"path": path.node} if path is not None else {})


def _with_rag_toolsets(agent: Raw) -> Raw:
    rag = agent.get("rag")
    if rag is None:
        return agent.without("rag")
    if not isinstance(rag.node, Items):
        raise rag.error(f"is {rag.kind}; a list is expected")
    toolsets = agent.get("toolsets")
    own = toolsets.node.items if toolsets is not None and isinstance(toolsets.node, Items) else ()
    added = [_toolset(item.line, "rag", {"ref": item}) for item in rag.node.items]
    return agent.without("rag").with_value("toolsets", Items(agent.line, (*own, *added)))


def _toolset(line: int, kind: str, extra: Mapping[str, Node]) -> Table:
    values: dict[str, Node] = {"type": Scalar(line, kind), **extra}
    return Table(line, {key: (Scalar(line, key), value) for key, value in values.items()})


def _without_unsupported(raw: Raw, key: str) -> Raw:
    value = raw.get(key)
    if value is not None and value.plain():
        raise _unsupported(raw, key)
    return raw.without(key)


def _unsupported(raw: Raw, key: str) -> ConfigError:
    return raw.key_error(key, f"{key!r} is no longer supported; set variables in the environment")


def _each_toolset(raw: Raw, change: Callable[[Raw], Raw]) -> Raw:
    return _each(raw, "agents", lambda agent: _each(agent, "toolsets", change))


def _each(raw: Raw, key: str, change: Callable[[Raw], Raw]) -> Raw:
    """`raw` with every mapping or element under `key` changed."""
    part = raw.get(key)
    if part is None:
        return raw
    node: Node = part.node
    if isinstance(node, Table):
        values = {name: change(child).node for name, child in part.items()}
        node = Table(
            node.line, {name: (mark, values[name]) for name, (mark, _) in node.entries.items()}
        )
    elif isinstance(node, Items):
        node = Items(node.line, tuple(change(child).node for child in part.elements()))
    return raw.with_value(key, node)


def _renamed(raw: Raw, old: str, new: str) -> Raw:
    if not isinstance(raw.node, Table) or old not in raw.node.entries:
        return raw
    renamed = {
        new if key == old else key: (Scalar(mark.line, new) if key == old else mark, value)
        for key, (mark, value) in raw.node.entries.items()
    }
    return raw.with_node(Table(raw.line, renamed))
