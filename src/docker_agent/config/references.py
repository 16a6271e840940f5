"""What names in an agent file stand for: models, alloys of models, agents here and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import msgspec

from docker_agent.config.agent_file import Agent
from docker_agent.config.convert import did_you_mean
from docker_agent.config.model import Model
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError

AUTO = "auto"
"""The reference that the environment decides."""

_OCI = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9][a-z0-9_./-]*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_WEB = ("http://", "https://")
_HOST_BEFORE_COLON = re.compile(r"localhost|.*\..*")


class External(msgspec.Struct, frozen=True):
    """An agent of another file: the name it gets here, and where it comes from."""

    name: str
    reference: str


class Models:
    """The models of a file while references to them are looked up; inline ones join as they are
    met."""

    def __init__(self, named: Mapping[str, Model]) -> None:
        self._models = dict(named)

    @property
    def found(self) -> dict[str, Model]:
        """Named and inline models."""
        return self._models

    def one(self, reference: str, at: Raw, owner: str) -> None:
        """Register `reference`: a key of `models`, or `provider/model`. Else `ConfigError`."""
        if reference in self._models:
            return
        model = inline_model(reference, at)
        if model is None:
            raise _unknown(reference, at, owner, self._models)
        self._models[reference] = model

    def pool(self, references: str, at: Raw, owner: str) -> tuple[str, ...]:
        """The models an agent's `model` names: one, several with commas, `auto` among them.

        Raises `ConfigError` when one does not exist, or an alloy contains itself.
        """
        if references in self._models:
            return self._expanded(references, at, owner, ())
        parts = _parts(references)
        return tuple(name for part in parts for name in self._expanded(part, at, owner, ()))

    def _expanded(
        self, reference: str, at: Raw, owner: str, above: tuple[str, ...]
    ) -> tuple[str, ...]:
        if reference == AUTO and AUTO not in self._models:
            return (AUTO,)
        self.one(reference, at, owner)
        model = self._models[reference]
        if not model.is_alloy:
            return (reference,)
        if reference in above:
            chain = " → ".join((*above, reference))
            raise model.error(f"the alloy contains itself: {chain}", "model")
        inside = model.source.get("model") or at
        return tuple(
            name
            for part in _parts(model.model)
            for name in self._expanded(part, inside, f"model {reference!r}", (*above, reference))
        )


def expand(models: Mapping[str, Model], reference: str) -> tuple[str, ...]:
    """The models behind a reference of a checked file: itself, or the parts of an alloy."""
    model = models.get(reference)
    if model is None or not model.is_alloy:
        return (reference,)
    return tuple(name for part in _parts(model.model) for name in expand(models, part))


def inline_model(reference: str, at: Raw) -> Model | None:
    """The model a `provider/model` reference declares; None when it is no such reference."""
    provider, _, name = reference.partition("/")
    if not provider.strip() or not name.strip():
        return None
    return Model(provider=provider, model=name, source=at)


def external(reference: str) -> External | None:
    """The agent elsewhere that a reference names: an address, an image, or `name:` before either.

    None when it can only be the name of an agent of this file. Source: agent-file.md §5.6.
    """
    if _is_elsewhere(reference):
        return External(_derived_name(reference), reference)
    name, colon, rest = reference.partition(":")
    if colon and name and "/" not in name and _is_elsewhere(rest):
        return External(name, rest)
    return None


def check_agents(agents: tuple[Agent, ...]) -> None:
    """Refuse references to agents that do not exist, names that clash, and circles of
    `force_handoff`.

    Raises `ConfigError` for the first. Source: agent-file.md §2.1, steps 10 and 11.
    """
    names = {agent.name: None for agent in agents}
    for agent in agents:
        for key, entries in (("sub_agents", agent.sub_agents), ("handoffs", agent.handoffs)):
            value = agent.source.get(key)
            for entry, at in zip(entries, value.elements() if value else (), strict=True):
                _check_agent(agent, entry, at, names)
    for agent in agents:
        if agent.force_handoff:
            at = agent.source.get("force_handoff") or agent.source
            if agent.force_handoff == agent.name:
                raise at.error(f"agent {agent.name!r} cannot hand off to itself")
            _check_agent(agent, agent.force_handoff, at, names)
    _check_circles(agents)


def _check_agent(agent: Agent, entry: str, at: Raw, names: Collection[str]) -> None:
    if entry in names:
        return
    elsewhere = external(entry)
    if elsewhere is None:
        raise at.error(
            f"agent {agent.name!r} references non-existent agent {entry!r}"
            + did_you_mean(entry, names)
        )
    if elsewhere.name in names:
        raise at.error(
            f"the agent of {elsewhere.reference!r} would be called {elsewhere.name!r} as one here; "
            f"give it another name: 'name:{elsewhere.reference}'"
        )


def _check_circles(agents: tuple[Agent, ...]) -> None:
    targets = {agent.name: agent.force_handoff for agent in agents}
    ends: set[str] = set()
    for agent in agents:
        path: dict[str, None] = {}
        target = agent.name
        while target in targets and target not in ends and target not in path:
            path[target] = None
            target = targets[target]
        if target in path:
            circle = " → ".join((*list(path)[list(path).index(target) :], target))
            first = next(each for each in agents if each.name == target)
            raise first.error(
                f"force_handoff goes in a cycle involving agent {target!r}: {circle}",
                "force_handoff",
            )
        ends.update(path)


def _unknown(reference: str, at: Raw, owner: str, models: Mapping[str, Model]) -> ConfigError:
    hint = did_you_mean(reference, [name for name in models if "/" not in name])
    return at.error(
        f"{owner} references model {reference!r} that does not exist; "
        f"name an entry of 'models' or write provider/model{hint}"
    )


def _parts(text: str) -> Iterator[str]:
    return (part for part in (piece.strip() for piece in text.split(",")) if part)


def _is_elsewhere(reference: str) -> bool:
    if reference.startswith(_WEB):
        return bool(_derived_name(reference))
    if "/" not in reference:
        return False
    before, colon, _ = reference.partition("/")[0].partition(":")
    if colon and not _HOST_BEFORE_COLON.fullmatch(before):
        return False
    return _OCI.fullmatch(reference) is not None


def _derived_name(reference: str) -> str:
    if reference.startswith(_WEB):
        try:
            parts = urlsplit(reference)
        except ValueError:
            return ""
        return PurePosixPath(parts.path).stem if parts.netloc else ""
    last = reference.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[0]
