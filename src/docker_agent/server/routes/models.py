"""`GET /v1/models` and `/v1/models/{id}`: every agent is a model. Source: chat-server.md §2."""

from __future__ import annotations

import msgspec

from docker_agent.errors import RequestError
from docker_agent.runtime.agent import Team
from docker_agent.server.exchange import Exchange
from docker_agent.server.wire import ModelList, ModelObject


async def list_models(exchange: Exchange) -> None:
    """The agents a client may choose, in the file's order."""
    team = exchange.services.teams.peek()
    listed = [_model(team, name) for name in _visible(team, exchange.settings.entry)]
    await exchange.respond(200, msgspec.json.encode(ModelList(data=listed)))


async def retrieve_model(exchange: Exchange) -> None:
    """One agent, by its name, which may hold slashes, or by an alias: clients look whether the name
    they were given exists."""
    team = exchange.services.teams.peek()
    asked: str = exchange.scope["path_params"]["id"]
    name = exchange.settings.aliases.get(asked, asked)
    visible = _visible(team, exchange.settings.entry)
    if name not in visible:
        known = ", ".join(visible)
        text = f"The model '{asked}' does not exist; this server has: {known}."
        raise RequestError("model_not_found", text, param="model")
    found = msgspec.structs.replace(_model(team, name), id=asked)
    await exchange.respond(200, msgspec.json.encode(found))


def _visible(team: Team, entry: str | None) -> tuple[str, ...]:
    return (entry,) if entry else team.listed


def _model(team: Team, name: str) -> ModelObject:
    description = team.agents[name].description
    return ModelObject(id=name, created=team.loaded, name=name, description=description)
