"""Gemini, requests: sampling, thinking, tools, formats; where they go, and with which key."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from docker_agent.config.parse import parse
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.messages import (
    AUTO,
    JSON,
    Format,
    ImagePart,
    Sampling,
    SystemMessage,
    TextPart,
    ToolChoice,
    UserMessage,
)
from docker_agent.models.gemini import gemini_settings
from docker_agent.models.gemini_config import GeminiSettings, gemini_body, thinking_config
from docker_agent.models.port import Ask
from docker_agent.models.resolve import resolve
from tests.models.gemini.asking import HI, TOOLS, told
from tests.requirements import requirement
from tests.scripted.gemini import GeminiServer
from tests.scripted.heard import Model

SECOND, THIRD = "gemini-2.5-flash", "gemini-3-pro-preview"


def body(ask: Ask, model: str = THIRD, **more: object) -> JSON:
    """The body of a question, as it goes over the wire."""
    settings = msgspec.structs.replace(GeminiSettings("", model), **more)
    return msgspec.json.decode(msgspec.json.encode(gemini_body(settings, ask)))


@requirement("models:gemini:request")
@pytest.mark.anyio
async def test_a_question_goes_out_with_its_key(gemini: GeminiServer, third: Model) -> None:
    """agent-file.md §3.2.2: streamGenerateContent as events, the key in a header."""
    ask = Ask((SystemMessage("be"), *HI.messages), TOOLS)
    await told(gemini, third, ask, built_in=("googleSearch",), sampling=Sampling(temperature=0.5))
    [heard] = third.heard
    assert heard.path == f"/v1beta/models/{third.name}:streamGenerateContent"
    assert heard.headers["x-goog-api-key"] == "k"
    assert heard.headers["content-type"] == "application/json"
    assert heard.body == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be"}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "Does f.",
                        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
                    },
                    {"name": "g", "description": "Function g"},
                ]
            },
            {"googleSearch": {}},
        ],
        "toolConfig": {"includeServerSideToolInvocations": True},
        "generationConfig": {"temperature": 0.5},
    }


@requirement("models:gemini:request")
@pytest.mark.anyio
async def test_a_picture_goes_in(gemini: GeminiServer, second: Model) -> None:
    """agent-file.md §3.2.3: data URLs inline; the server knows no other kind of part."""
    picture = ImagePart("data:image/png;base64,AA==")
    result = await told(gemini, second, Ask((UserMessage((TextPart("see"), picture)),)))
    assert result.text == "see"
    sent = second.heard[0].body["contents"][0]["parts"][1]
    assert sent == {"inlineData": {"mimeType": "image/png", "data": "AA=="}}


@requirement("models:gemini:request")
def test_a_question_of_system_messages_alone_is_the_users() -> None:
    """models/gemini_config.py: the API refuses empty contents."""
    assert body(Ask((SystemMessage("be"),))) == {
        "contents": [{"role": "user", "parts": [{"text": "be"}]}]
    }


SAMPLED = Sampling(0.5, 0.9, 100, ("x",), 7, 0.1, 0.2)


@requirement("models:gemini:sampling")
def test_sampling_is_written_in_the_apis_words() -> None:
    """agent-file.md §3.2.3: what is set, and nothing else."""
    unknown = Sampling(verbosity="low", parallel_tool_calls=True, logit_bias={"1": 1.0}, user="u")
    assert "generationConfig" not in body(Ask(HI.messages, sampling=unknown))
    assert body(HI, sampling=SAMPLED, top_k=4)["generationConfig"] == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 4,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "stopSequences": ["x"],
        "seed": 7,
    }


@requirement("models:gemini:sampling")
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (Sampling(temperature=0.0), {"temperature": 0.0, "maxOutputTokens": 100}),
        (Sampling(max_tokens=50), {"temperature": 0.5, "maxOutputTokens": 50}),
        (Sampling(max_tokens=500), {"temperature": 0.5, "maxOutputTokens": 100}),
    ],
)
def test_a_client_may_ask_for_less(asked: Sampling, wanted: JSON) -> None:
    """chat-server.md §3: what the client asks goes over the file, but for the cap."""
    declared = Sampling(temperature=0.5, max_tokens=100)
    found = body(Ask(HI.messages, sampling=asked), sampling=declared)["generationConfig"]
    assert found == wanted


@requirement("models:gemini:choice")
@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (AUTO, None),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("function", "g"), {"mode": "ANY", "allowedFunctionNames": ["g"]}),
    ],
)
def test_a_choice_among_tools_is_a_mode(choice: ToolChoice, wanted: JSON) -> None:
    """models/gemini_config.py: the API's three modes."""
    found = body(Ask(HI.messages, TOOLS, choice)).get("toolConfig")
    assert found == (wanted and {"functionCallingConfig": wanted})
    assert "toolConfig" not in body(Ask(HI.messages, choice=choice))


FORMAT = Format("json_schema", "n", {"type": "object"}, "d", True)


@requirement("models:gemini:format")
def test_a_format_is_a_schema_of_the_answer() -> None:
    """agent-file.md §2.4: responseMimeType and the JSON schema as it is."""
    wanted = {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}
    assert body(Ask(HI.messages, format=FORMAT), SECOND)["generationConfig"] == wanted
    assert body(Ask(HI.messages, TOOLS, format=FORMAT))["generationConfig"] == wanted
    bare = body(Ask(HI.messages, format=Format("json_object")))["generationConfig"]
    assert bare == {"responseMimeType": "application/json"}


@requirement("models:gemini:format")
def test_an_older_model_with_tools_is_told_the_format() -> None:
    """runtime.md §16.1: before generation 3 the API refuses a format beside tools."""
    found = body(Ask(HI.messages, TOOLS, format=FORMAT), SECOND)
    assert "generationConfig" not in found
    assert '{"type":"object"}' in found["systemInstruction"]["parts"][0]["text"]


def level(word: str) -> JSON:
    """Thinking of generation 3."""
    return {"includeThoughts": True, "thinkingLevel": word}


def tokens(number: int) -> JSON:
    """Thinking of generation 2.5."""
    return {"includeThoughts": True, "thinkingBudget": number}


THINKING: list[tuple[str, int | str | None, JSON]] = [
    (THIRD, None, None),
    (THIRD, 0, None),
    (THIRD, "none", None),
    (THIRD, "minimal", level("MINIMAL")),
    (THIRD, "low", level("LOW")),
    (THIRD, "medium", level("MEDIUM")),
    (THIRD, "high", level("HIGH")),
    (THIRD, "xhigh", level("HIGH")),
    (THIRD, "max", level("HIGH")),
    (THIRD, "adaptive", level("HIGH")),
    (THIRD, "adaptive/low", level("HIGH")),
    (THIRD, 2000, tokens(2000)),
    ("gemini-3.5-flash", "low", level("LOW")),
    ("gemini-4-pro", "low", level("LOW")),
    ("gemini-flash-latest", "low", level("LOW")),
    (SECOND, 2000, tokens(2000)),
    (SECOND, -1, tokens(-1)),
    (SECOND, 0, None),
    (SECOND, "low", tokens(2048)),
    (SECOND, "max", tokens(24_576)),
    (SECOND, "adaptive", tokens(-1)),
    (SECOND, "adaptive/medium", tokens(8192)),
    ("gemini-2.0-flash", "low", None),
    ("gemma-3-27b-it", 2000, None),
]


@requirement("models:gemini:thinking")
@pytest.mark.parametrize(("model", "budget", "wanted"), THINKING)
def test_a_budget_is_a_level_or_tokens(model: str, budget: int | str | None, wanted: JSON) -> None:
    """agent-file.md §3.9: levels from generation 3 on, tokens for 2.5, thoughts included."""
    assert thinking_config(model, budget) == wanted


@requirement("models:gemini:thinking")
def test_the_clients_effort_goes_over_the_files() -> None:
    """chat-server.md §3: `reasoning_effort` of a request."""
    asked = Ask(HI.messages, sampling=Sampling(reasoning_effort="low"))
    assert body(asked, thinking="high")["generationConfig"]["thinkingConfig"] == level("LOW")
    assert body(HI, thinking="high")["generationConfig"]["thinkingConfig"] == level("HIGH")


def settings_of(
    model: Mapping[str, JSON],
    env: Mapping[str, str],
    providers: Mapping[str, JSON] | None = None,
) -> GeminiSettings:
    """How a declared model is reached."""
    content: JSON = {
        "version": "12",
        "models": {"m": {"provider": "google", "model": SECOND, **model}},
        "providers": providers or {},
        "agents": {"root": {"model": "m"}},
    }
    file = parse(json.dumps(content).encode(), "agent.yaml")
    return gemini_settings(resolve(file.models["m"], file.providers), Values(env))


HOST = "https://generativelanguage.googleapis.com"
BOTH = {"GOOGLE_API_KEY": "goog", "GEMINI_API_KEY": "gem"}

REACHED: dict[str, tuple[dict[str, JSON], dict[str, str], str, str | None]] = {
    "google's": ({}, BOTH, f"{HOST}/v1beta", "goog"),
    "gemini's key": ({}, {"GEMINI_API_KEY": "gem"}, f"{HOST}/v1beta", "gem"),
    "an empty key": (
        {},
        {"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "gem"},
        f"{HOST}/v1beta",
        "gem",
    ),
    "its own key": ({"token_key": "MINE"}, {**BOTH, "MINE": "mine"}, f"{HOST}/v1beta", "mine"),
    "elsewhere": ({"base_url": "http://a.test/x/"}, BOTH, "http://a.test/x/v1beta", "goog"),
    "elsewhere without a key": (
        {"base_url": "http://a.test"},
        {},
        "http://a.test/v1beta",
        None,
    ),
    "with a version": ({"base_url": "http://a.test/v1alpha"}, {}, "http://a.test/v1alpha", None),
    "with a variable": (
        {"base_url": "http://${HOST_NAME}"},
        {"HOST_NAME": "b.test"},
        "http://b.test/v1beta",
        None,
    ),
}


@requirement("models:gemini:settings")
@pytest.mark.parametrize(("model", "env", "base", "key"), REACHED.values(), ids=REACHED.keys())
def test_a_model_is_reached_at_its_address_with_its_key(
    model: dict[str, JSON], env: dict[str, str], base: str, key: str | None
) -> None:
    """agent-file.md §3.2.2: GOOGLE_API_KEY wins over GEMINI_API_KEY."""
    settings = settings_of(model, env)
    assert settings.url == f"{base}/models/{SECOND}:streamGenerateContent?alt=sse"
    assert settings.headers.get("x-goog-api-key") == key
    assert [*settings.secrets] == ([key] if key else [])


@requirement("models:gemini:settings")
def test_a_tuned_model_has_a_path_of_its_own() -> None:
    """models/gemini.py: names may be whole resource names."""
    assert "/v1beta/tunedModels/a%20b:stream" in settings_of({"model": "tunedModels/a b"}, BOTH).url
    assert "/v1beta/models/x:stream" in settings_of({"model": "models/x"}, BOTH).url


@requirement("models:gemini:settings")
def test_options_are_read() -> None:
    """agent-file.md §3.7: what is of the wrong type is passed over."""
    options: JSON = {
        "google_search": True,
        "google_maps": "yes",
        "code_execution": True,
        "top_k": 4,
        "seed": 7,
        "http_headers": {"X-A": "b"},
    }
    settings = settings_of({"provider_opts": options, "thinking_budget": "LOW"}, BOTH)
    assert settings.built_in == ("googleSearch", "codeExecution")
    assert (settings.top_k, settings.sampling.seed, settings.thinking) == (4, 7, "low")
    assert settings.headers["X-A"] == "b"
    assert settings_of({"provider_opts": {"top_k": True}}, BOTH).top_k is None


@requirement("models:gemini:settings")
def test_a_definition_fills_the_gaps() -> None:
    """agent-file.md §2.8.1: address, key and thinking of a provider of the file's own."""
    mine: JSON = {
        "provider": "google",
        "base_url": "http://a.test",
        "token_key": "MINE",
        "thinking_budget": 99,
    }
    settings = settings_of({"provider": "mine"}, {"MINE": "mine"}, {"mine": mine})
    assert settings.url.startswith("http://a.test/v1beta/")
    assert (settings.headers["x-goog-api-key"], settings.thinking) == ("mine", 99)


WRONG: dict[str, tuple[dict[str, JSON], dict[str, str], str]] = {
    "no key": ({}, {}, "GOOGLE_API_KEY or GEMINI_API_KEY environment variable is required"),
    "not its key": ({"token_key": "MINE"}, BOTH, "MINE environment variable is required"),
    "an address of nothing": (
        {"base_url": "http://${NOTHING}"},
        BOTH,
        "NOTHING",
    ),
}


@requirement("models:gemini:settings")
@pytest.mark.parametrize(("model", "env", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_reached_stops_the_start(
    model: dict[str, JSON], env: dict[str, str], says: str
) -> None:
    """agent-file.md §3.2.2: one sentence that says what is wrong, and what would be right."""
    with pytest.raises(ConfigError, match=says):
        settings_of(model, env)


@requirement("models:gemini:thinking")
def test_tokens_for_a_model_with_levels_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """agent-file.md §3.9: an integer goes on as a token budget, with a warning."""
    settings = settings_of({"model": THIRD, "thinking_budget": 512}, BOTH)
    assert settings.thinking == 512
    [record] = caplog.records
    assert "thinking_budget" in record.getMessage()
    caplog.clear()
    settings_of({"model": THIRD, "thinking_budget": "low"}, BOTH)
    settings_of({"thinking_budget": 512}, BOTH)
    assert caplog.records == []
