"""The models of one agent file: chosen, checked, opened once each, made into each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack

import msgspec

from docker_agent.config import agent_file as declared
from docker_agent.config.agent_file import AgentFile
from docker_agent.config.model import Model as DeclaredModel
from docker_agent.config.references import expand
from docker_agent.env.chain import Secrets, StandIns
from docker_agent.errors import ConfigError
from docker_agent.loader.choose import (
    AUTO_MAX_TOKENS,
    AUTO_ROWS,
    DOCKER,
    DOCKER_MAX_TOKENS,
    DOCKER_MODEL,
    LOCAL_MODEL,
    auto_model,
    embedding_model,
    first_available,
    known_providers,
    missing_variables,
    variables_of,
)
from docker_agent.loader.compacting import side_models
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.preflight import Missing, missing_for
from docker_agent.loader.taped import over_the_recorded_api, recorded_one
from docker_agent.models import gateway as gateways
from docker_agent.models import table
from docker_agent.models.catalogue import Catalogue
from docker_agent.models.dmr_find import docker_default
from docker_agent.models.embedding_table import Embedder, embedder_of
from docker_agent.models.fallback import DEFAULT_COOLDOWN, DEFAULT_RETRIES, Alloy, Fallback
from docker_agent.models.fitting import fitting
from docker_agent.models.http_port import Http
from docker_agent.models.port import Model
from docker_agent.models.priced import Priced
from docker_agent.models.resolve import Resolved, resolve, unknown_provider, warn_of_caps
from docker_agent.models.routing import Router
from docker_agent.models.weights import locate

AUTO = "auto"


async def with_choices(
    file: AgentFile, secrets: Secrets, overrides: Overrides, http: Http
) -> AgentFile:
    """The file with `auto` and every selector in use replaced by the model they come to, and the
    operator's own providers beside its own.

    Raises `ConfigError` when none can be used.
    """
    providers = {**overrides.providers, **file.providers}
    file = msgspec.structs.replace(file, providers=providers)
    chosen: dict[str, DeclaredModel] = dict(file.models)
    names = list(dict.fromkeys(in_use(file)))
    if AUTO in names and AUTO not in chosen:
        chosen[AUTO] = _auto_recorded(http) or await _auto(secrets, overrides, http)
    for name in names:
        if name in file.models and file.models[name].is_selector:
            candidates = [file.models[one] for one in file.models[name].first_available or ()]
            recorded = recorded_one(http, candidates, providers)
            chosen[name] = recorded or _first(file, name, secrets, overrides)
    return msgspec.structs.replace(file, models=chosen)


def _first(file: AgentFile, name: str, secrets: Secrets, overrides: Overrides) -> DeclaredModel:
    return file.models[first_available(file, name, secrets, keyless=overrides.keyless)]


def _auto_recorded(http: Http) -> DeclaredModel | None:
    """The model that `auto` came to when this was recorded; None when it is no recording."""
    rows = [(row.provider, row.model, AUTO_MAX_TOKENS) for row in AUTO_ROWS]
    rows += [(DOCKER, DOCKER_MODEL, DOCKER_MAX_TOKENS), ("local", LOCAL_MODEL, None)]
    models = [DeclaredModel(provider=one, model=m, max_tokens=most) for one, m, most in rows]
    return recorded_one(http, models, {})


async def _auto(secrets: Secrets, overrides: Overrides, http: Http) -> DeclaredModel:
    try:
        return auto_model(
            secrets,
            lambda name: locate(name, overrides.cache_dir) is not None,
            default=overrides.default_model,
            keyless=overrides.keyless,
        )
    except ConfigError:
        found = await docker_default(DOCKER_MODEL, secrets, http)
        if found is None:
            raise
        return DeclaredModel(provider=DOCKER, model=found, max_tokens=DOCKER_MAX_TOKENS)


def in_use(file: AgentFile) -> Iterator[str]:
    """The models that agents can come to, parts of alloys and targets of routers included."""
    for agent in file.agents:
        yield from _with_targets(file, (*agent.models, *_fallbacks(agent)))
    yield from _with_targets(file, side_models(file))


def _with_targets(file: AgentFile, references: Iterable[str]) -> Iterator[str]:
    for name in (name for one in references for name in expand(file.models, one)):
        yield name
        model = file.models.get(name)
        for rule in model.routing if model else ():
            yield from expand(file.models, rule.model)


def _fallbacks(agent: declared.Agent) -> tuple[str, ...]:
    return agent.fallback.models if agent.fallback else ()


class Models:
    """The models of a file whose choices are made (`with_choices`)."""

    def __init__(
        self,
        file: AgentFile,
        overrides: Overrides,
        secrets: Secrets,
        http: Http,
        *,
        trusted: bool = True,
    ) -> None:
        self._file = file
        self._overrides = overrides
        self._secrets = secrets
        needed = frozenset(name for model in file.models for name in variables_of(file, model))
        self._opening = table.Opening(
            http,
            StandIns(secrets, needed) if overrides.replay else secrets,
            overrides.cache_dir,
            replay=overrides.replay,
            trusted=trusted,
            catalogue=Catalogue(overrides.data_dir),
        )
        self._targets = frozenset(
            target
            for model in file.models.values()
            for rule in model.routing
            for target in expand(file.models, rule.model)
        )
        self._opened: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}

    def check(self) -> Missing:
        """The variables that are not set, and who needs each. Raises `ConfigError` for providers
        nobody knows."""
        file = self._file
        for name in dict.fromkeys(in_use(file)):
            if file.models[name].provider not in known_providers(file):
                self._refuse_provider(file.models[name])
        return {} if self._overrides.replay else missing_for(file, self._missing)

    def _missing(self, name: str) -> list[str]:
        """The variables a model lacks; a gateway has the keys of those that go through it."""
        file = self._file
        if self._overrides.gateway is None:
            return missing_variables(file, name, self._secrets)
        lacking: list[str] = []
        for part in expand(file.models, name):
            model = file.models[part]
            if model.bypass_models_gateway:
                lacking += missing_variables(file, part, self._secrets)
            for rule in model.routing:
                for target in expand(file.models, rule.model):
                    if file.models[target].bypass_models_gateway:
                        lacking += missing_variables(file, target, self._secrets)
        return lacking

    def _refuse_provider(self, model: DeclaredModel) -> None:
        raise unknown_provider(model, model.provider, [*known_providers(self._file)])

    async def of_agent(self, agent: declared.Agent, stack: AsyncExitStack) -> Model:
        """What an agent speaks with: its model, or one of several, and those that stand in for
        it."""
        pool = [await self.open(name, stack) for name in agent.models]
        primary = pool[0] if len(pool) == 1 else Alloy(pool)
        fallback = agent.fallback
        more = [await self.open(name, stack) for name in _fallbacks(agent)]
        retries = (fallback.retries if fallback else 0) or DEFAULT_RETRIES
        cooldown = (fallback.cooldown if fallback else 0.0) or DEFAULT_COOLDOWN
        return Fallback([primary, *more], retries=max(0, retries), cooldown=cooldown)

    async def beside(self, reference: str, stack: AsyncExitStack) -> Model:
        """A model that an agent uses beside its own, with retries of its own."""
        return Fallback([await self.open(reference, stack)])

    async def open(self, name: str, stack: AsyncExitStack) -> Model:
        """A model by its reference, opened at the first call and closed with `stack`. Raises
        `ConfigError`."""
        if name not in self._opened:
            self._opened[name] = await self._open(name, stack)
        return self._opened[name]

    def embedder(self, reference: str) -> Embedder:
        """A model that makes vectors, by its reference; it reaches nothing before it is asked.
        Raises `ConfigError`."""
        if reference not in self._embedders:
            self._embedders[reference] = self._open_embedder(reference)
        return self._embedders[reference]

    def _open_embedder(self, reference: str) -> Embedder:
        model = embedding_model(
            self._file, reference, self._secrets, keyless=self._overrides.keyless
        )
        if model.provider not in known_providers(self._file):
            self._refuse_provider(model)
        resolved, opening = resolve(model, self._file.providers), self._opening
        gateway = self._overrides.gateway
        if gateway is not None and not self._overrides.replay and gateways.applies(resolved):
            resolved = gateways.through(gateway, resolved, reference, self._secrets)
            through = gateways.ToGateway(opening.http, gateway, self._secrets, resolved.minted)
            opening = msgspec.structs.replace(opening, http=through)
        return embedder_of(resolved, opening)

    async def _open(self, name: str, stack: AsyncExitStack) -> Model:
        model = self._file.models[name]
        if model.is_alloy:
            parts = expand(self._file.models, name)
            return Alloy([await self.open(part, stack) for part in parts])
        own = await self._open_one(name, model, stack)
        if not model.routing:
            return own
        targets = [
            await self.open(self._target(rule.model, bypass=model.bypass_models_gateway), stack)
            for rule in model.routing
        ]
        return Router(own, targets, [rule.examples for rule in model.routing])

    def _target(self, name: str, *, bypass: bool) -> str:
        """The target of a router; one that bypasses the gateway takes its targets along."""
        model = self._file.models[name]
        if not bypass or self._overrides.gateway is None or model.bypass_models_gateway:
            return name
        direct = f"{name} (direct)"
        models = {
            **self._file.models,
            direct: msgspec.structs.replace(model, bypass_models_gateway=True),
        }
        self._file = msgspec.structs.replace(self._file, models=models)
        return direct

    async def _open_one(self, name: str, model: DeclaredModel, stack: AsyncExitStack) -> Model:
        resolved = self._newest(name, resolve(model, self._file.providers))
        if resolved.protocol not in table.PROVIDERS:
            raise unknown_provider(model, resolved.protocol, [*known_providers(self._file)])
        resolved = over_the_recorded_api(self._opening.http, resolved)
        warn_of_caps(resolved)
        gateway = self._overrides.gateway
        if gateway is not None and not self._overrides.replay and gateways.applies(resolved):
            return await self._open_gatewayed(gateway, resolved, name, stack)
        opening = table.PROVIDERS[resolved.protocol](resolved, self._opening)
        return _finished(await stack.enter_async_context(opening))

    def _newest(self, name: str, resolved: Resolved) -> Resolved:
        """The model by its dated id, where its name stands for the newest version: so that a
        running conversation does not change its model. Inline references stay as they are, unless
        a router names them. Source: agent-file.md §3.5."""
        declared = resolved.declared
        inline = name == f"{declared.provider}/{declared.model}" and name not in self._targets
        if inline or name == AUTO or resolved.inherited.base_url:
            return resolved
        dated = self._opening.catalogue.dated(resolved.provider, resolved.model)
        if dated is None:
            return resolved
        return msgspec.structs.replace(resolved, model=dated, shown=resolved.model)

    async def _open_gatewayed(
        self, gateway: gateways.Gateway, resolved: Resolved, name: str, stack: AsyncExitStack
    ) -> Model:
        gated = gateways.through(gateway, resolved, name, self._secrets)
        http = gateways.ToGateway(
            self._opening.http,
            gateway,
            self._secrets,
            gated.minted,
            anthropic=resolved.protocol == "anthropic",
        )
        opening = msgspec.structs.replace(self._opening, http=http)
        model = await stack.enter_async_context(table.PROVIDERS[gated.protocol](gated, opening))
        return _finished(gateways.Gatewayed(model))


def _finished(model: Model) -> Model:
    """The model with what every one has, whatever its protocol: a cost, and only what it reads."""
    return fitting(model if model.card.price_in is None else Priced(model))
