"""Whether a model is on Vertex AI, and where. Source: agent-file.md §3.2.2, §3.2.4 and §6.4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docker_agent.config.model import Model as Declared
from docker_agent.env.chain import Values
from docker_agent.env.directories import Directories
from docker_agent.errors import ConfigError
from docker_agent.loader.choose import auto_model
from docker_agent.loader.look import look
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.messages import JSON, UserMessage
from docker_agent.models.gateway import parse_gateway
from docker_agent.models.gemini_config import GeminiSettings, gemini_body
from docker_agent.models.port import Ask
from docker_agent.models.resolve import resolve
from docker_agent.models.vertex import Place, generate_url, vertex_place
from tests.loader.loading import answer, card, complaint, loaded, models, write
from tests.models.talking import TOOLS
from tests.requirements import requirement
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import reject
from tests.scripted.gemini import GeminiServer
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import say

pytestmark = pytest.mark.anyio

TOKEN = {"MY_TOKEN": "ya29.mine"}
PLACE: dict[str, JSON] = {"project": "my-project", "location": "us-east5"}
FROM_ENV = {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_CLOUD_LOCATION": "us-east5"}


def on_vertex(model: str, url: str, **options: JSON) -> dict[str, Any]:
    """An agent whose model is on Vertex AI, its token in a variable."""
    entry = {
        "provider": "google",
        "model": model,
        "base_url": url,
        "token_key": "MY_TOKEN",
        "provider_opts": options,
    }
    return {"models": {"m": entry}, "agents": {"root": {"model": "m"}}}


HOSTS = {
    "us-central1": "https://us-central1-aiplatform.googleapis.com",
    "global": "https://aiplatform.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}


@requirement("models:vertex:places")
@pytest.mark.parametrize(("location", "host"), HOSTS.items())
def test_a_location_has_its_address(location: str, host: str) -> None:
    """Regions, the global endpoint, the regions of several."""
    place = Place("p1", location)
    where = f"{host}/v1beta1/projects/p1/locations/{location}/publishers"
    expected = {
        "gemini-x": f"{where}/google/models/gemini-x",
        "models/gemini-x": f"{where}/google/models/gemini-x",
        "publishers/meta/models/l": f"{where}/meta/models/l",
    }
    for model, url in expected.items():
        assert generate_url(place, model) == f"{url}:streamGenerateContent?alt=sse"
    own = Place("p1", location, base_url="http://proxy.test/v1")
    assert own.address("v1beta1") == f"http://proxy.test/v1/projects/p1/locations/{location}"


@requirement("models:vertex:places")
@pytest.mark.parametrize(
    ("env", "there"),
    [("1", True), ("true", True), ("yes", True), ("false", False), ("0", False), ("", False)],
)
async def test_a_variable_sends_gemini_to_vertex(tmp_path: Path, env: str, there: bool) -> None:
    """agent-file.md §3.2.2 and §6.4: then project and location are needed, and no key; `false` says
    no, as it does to Google's own clients."""
    secrets = {"GOOGLE_GENAI_USE_VERTEXAI": env, **FROM_ENV}
    place = vertex_place(resolve(Declared(provider="google", model="g"), {}), secrets.get)
    assert (place == Place("my-project", "us-east5")) is there
    said = await complaint(tmp_path, models(root="google/g"), {"GOOGLE_GENAI_USE_VERTEXAI": env})
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"):
        assert (f"{name} " in said) is there
    assert ("GOOGLE_API_KEY" in said) is not there


@requirement("models:vertex:places")
def test_auto_takes_vertex_for_what_it_is_set_to() -> None:
    """agent-file.md §3.3, row 4."""
    env = {"GOOGLE_GENAI_USE_VERTEXAI": "true", "MISTRAL_API_KEY": "k"}
    assert auto_model(Values(env), lambda _: False).provider == "google"
    env["GOOGLE_GENAI_USE_VERTEXAI"] = "0"
    assert auto_model(Values(env), lambda _: False).provider == "mistral"


@requirement("models:vertex:places")
async def test_first_available_looks_for_the_place(tmp_path: Path) -> None:
    """agent-file.md §3.4: a candidate on Vertex AI needs its project and location, not a key."""
    choice = {"first_available": ["cloud", "groq/x"]}
    cloud = {"provider": "google", "model": "g", "token_key": "MY_TOKEN", "provider_opts": PLACE}
    file = {"models": {"m": choice, "cloud": cloud}, **models(root="m")}
    env = {"GROQ_API_KEY": "k", "GOOGLE_API_KEY": "k"}
    assert await card(tmp_path, file, env) == ("groq", "x")
    assert await card(tmp_path, file, {**env, **TOKEN}) == ("google", "g")


WRONG: dict[str, tuple[dict[str, JSON], dict[str, str], str]] = {
    "no location": ({"project": "p1"}, {}, "GOOGLE_CLOUD_LOCATION"),
    "no place": ({"publisher": "anthropic"}, {}, "GOOGLE_CLOUD_PROJECT"),
    "a path": (
        {"project": "../x", "location": "us-east5"},
        {},
        "provider_opts.project: '../x' is no project of Google Cloud; one has 2 to 30",
    ),
    "a variable's path": (
        {"project": "p1"},
        {"GOOGLE_CLOUD_LOCATION": "US East"},
        "GOOGLE_CLOUD_LOCATION: 'US East' is no location",
    ),
    "an unset variable": ({"project": "${NOTHING}", "location": "l1"}, {}, "NOTHING"),
    "no credentials": (
        {"project": "p1", "location": "l1"},
        {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"},
        "/nowhere cannot be read",
    ),
}


@requirement("models:vertex:places")
@pytest.mark.parametrize(("options", "env", "says"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_place_stops_the_start_and_is_told_by_check(
    tmp_path: Path, options: dict[str, JSON], env: dict[str, str], says: str
) -> None:
    """agent-file.md §3.2.4: what is missing, and what would be right."""
    entry = {"provider": "google", "model": "g", "provider_opts": options}
    file = {"models": {"m": entry}, **models(root="m")}
    assert says in await complaint(tmp_path, file, env)
    home = Directories.chosen({"HOME": str(tmp_path)})
    source = find_source(str(write(tmp_path, file)))
    found = await look(source, Overrides(tmp_path, home.cache, home.data), Values(env))
    assert not found.starts_here
    assert says in "\n".join((*found.missing, *found.unavailable, *found.problems))
    assert bool(found.problems) is ("../x" in says)


@requirement("models:vertex:places")
async def test_the_options_of_a_definition_count(tmp_path: Path) -> None:
    """agent-file.md §2.8: provider_opts merge; the preflight knows it."""
    cloud = {"provider": "google", "provider_opts": PLACE}
    file: dict[str, Any] = {
        "providers": {"cloud": cloud},
        "models": {"m": {"provider": "cloud", "model": "g", "token_key": "MY_TOKEN"}},
        **models(root="m"),
    }
    assert await card(tmp_path, file, TOKEN) == ("google", "g")
    del file["models"]["m"]["token_key"]
    said = await complaint(tmp_path, file, {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"})
    assert "/nowhere cannot be read" in said


@requirement("models:vertex:places")
def test_vertex_is_sent_no_field_that_it_does_not_know() -> None:
    """agent-file.md §3.7: that Google's own tools stand beside ours is said to Gemini's API
    alone."""
    ask = Ask((UserMessage("hi"),), TOOLS)
    for vertex in (True, False):
        built_in = ("googleSearch",)
        settings = GeminiSettings("u", "gemini-3-flash", built_in=built_in, vertex=vertex)
        assert ("toolConfig" in gemini_body(settings, ask)) is not vertex


@requirement("models:vertex:garden")
async def test_claude_answers_by_raw_predict(tmp_path: Path, claude: Claude, sonnet: Model) -> None:
    """agent-file.md §3.2.4: the model in the address, the version in the body, the catalogue's
    window under its own name."""
    sonnet.script(say("Bonjour"))
    file = on_vertex(sonnet.name, claude.url, publisher="Anthropic", **PLACE)
    async with loaded(tmp_path, file, {**TOKEN, "ANTHROPIC_API_KEY": "sk-ant"}) as team:
        assert await answer(team.agents["root"]) == "Bonjour"
    [heard] = sonnet.heard
    where = "/v1/projects/my-project/locations/us-east5/publishers/anthropic/models"
    assert heard.path == f"{where}/{sonnet.name}:streamRawPredict"
    assert heard.headers["authorization"] == "Bearer ya29.mine"
    assert "anthropic-version" not in heard.headers
    known = on_vertex("claude-sonnet-4-5@20250929", claude.url, publisher="anthropic", **PLACE)
    async with loaded(tmp_path, known, TOKEN) as team:
        found = team.agents["root"].model.card
    assert (found.provider, found.name) == ("google", "claude-sonnet-4-5@20250929")
    assert found.context >= 200_000


@requirement("models:vertex:garden")
async def test_claude_counts_tokens_when_a_question_is_too_long(
    tmp_path: Path, claude: Claude, sonnet: Model
) -> None:
    """agent-file.md §3.2.3: counted at the address for it, then asked for a shorter answer."""
    claude.sizes[sonnet.name] = 190_000
    text = "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000"
    sonnet.script(reject(400, "invalid_request_error", text), say("short"))
    file = on_vertex(sonnet.name, claude.url, publisher="anthropic", **PLACE)
    async with loaded(tmp_path, file, TOKEN) as team:
        assert await answer(team.agents["root"]) == "short"
    assert sonnet.heard[1].body["max_tokens"] == 200_000 - 190_000 - 1024
    assert "POST" in claude.visits[-2] and "/count-tokens:rawPredict" in claude.visits[-2]


@requirement("models:vertex:garden")
@pytest.mark.parametrize("written", ["meta/", ""])
async def test_other_publishers_answer_by_chat_completions(
    tmp_path: Path, scripted: Scripted, model: Model, written: str
) -> None:
    """agent-file.md §3.2.4: at the OpenAI-compatible endpoint, named with its publisher."""
    served = scripted.model(f"meta/{model.name}").forget()
    served.script(say("Hallo"))
    file = on_vertex(
        f"{written}{model.name}", scripted.url.removesuffix("/v1"), publisher="meta", **PLACE
    )
    async with loaded(tmp_path, file, TOKEN) as team:
        assert await answer(team.agents["root"]) == "Hallo"
    [heard] = served.heard
    where = "/v1beta1/projects/my-project/locations/us-east5/endpoints/openapi"
    assert heard.path == f"{where}/chat/completions"
    assert heard.headers["authorization"] == "Bearer ya29.mine"


@requirement("models:vertex:gateway")
async def test_a_gateway_takes_gemini_and_refuses_the_garden(
    tmp_path: Path, gemini: GeminiServer, flash: Model
) -> None:
    """agent-file.md §3.1 and §3.12: a gateway speaks Gemini's own API; what signs in at Google
    Cloud bypasses it, or stops the start."""
    gateway = parse_gateway(gemini.url)
    file: dict[str, Any] = {
        "models": {"m": {"provider": "google", "model": flash.name, "provider_opts": PLACE}},
        "agents": {"root": {"model": "m"}},
    }
    async with loaded(tmp_path, file, {"DOCKER_TOKEN": "t"}, gateway=gateway) as team:
        assert team.default == "root"
    garden: JSON = {**PLACE, "publisher": "anthropic"}
    file["models"]["m"]["provider_opts"] = garden
    with pytest.raises(ConfigError, match="set bypass_models_gateway: true"):
        async with loaded(tmp_path, file, {"DOCKER_TOKEN": "t"}, gateway=gateway):
            pass
    file["models"]["m"] |= {"bypass_models_gateway": True, "token_key": "MY_TOKEN"}
    async with loaded(tmp_path, file, {"DOCKER_TOKEN": "t", **TOKEN}, gateway=gateway) as team:
        assert team.default == "root"
