"""Docker Model Runner: found, asked for its models, set up, spoken to. Source: agent-file.md
§3.8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ConfigError, ModelError
from docker_agent.messages import JSON, ToolList, ToolSpec, UserMessage
from docker_agent.models import dmr_find
from docker_agent.models.dmr_find import IN_CONTAINER, ON_HOST, SOCKET, is_listed, meant, pick
from docker_agent.models.dmr_options import options_of
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask
from tests.conftest import Serve
from tests.harness import run_command
from tests.loader.loading import answer, loaded
from tests.models.runner import Runner, docker_command, running
from tests.models.talking import Told
from tests.models.test_resolve import resolved
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

NAME = "ai/qwen3:latest"


@pytest.fixture
def runner() -> Iterator[Runner]:
    """A runner that has one model."""
    with running(NAME) as found:
        yield found


def file(**keys: JSON) -> dict[str, Any]:
    """An agent whose model is run by Docker."""
    model = {"provider": "dmr", "model": NAME, **keys}
    return {"models": {"m": model}, "agents": {"root": {"model": "m"}}}


@requirement("models:dmr:address")
@pytest.mark.parametrize(
    ("endpoint", "host", "container"),
    [
        ("", ON_HOST, IN_CONTAINER),
        ("nonsense", ON_HOST, IN_CONTAINER),
        ("http://[::1", ON_HOST, IN_CONTAINER),
        ("http://:0/engines/v1/", ON_HOST, ON_HOST),
        ("http://model-runner.docker.internal/engines/v1/", SOCKET, IN_CONTAINER),
        (
            "http://172.17.0.1:4000/engines/v1",
            "http://127.0.0.1:4000/engines/v1/",
            "http://172.17.0.1:4000/engines/v1/",
        ),
        ("http://other.test/engines/v1/", ON_HOST, "http://other.test/engines/v1/"),
    ],
)
def test_the_reported_endpoint_is_read_for_where_we_are(
    endpoint: str, host: str, container: str
) -> None:
    """agent-file.md §3.8: the table of reported endpoints."""
    assert meant(endpoint, container=False) == host
    assert meant(endpoint, container=True) == container


@requirement("models:dmr:address")
async def test_the_variable_names_the_host(runner: Runner, tmp_path: Path) -> None:
    """agent-file.md §3.8, 2: MODEL_RUNNER_HOST, and no docker command is asked."""
    env = {"MODEL_RUNNER_HOST": runner.address}
    async with loaded(tmp_path, file(), env) as team:
        assert await answer(team.agents["root"]) == "I run here."
    paths = [path for path, _ in runner.heard]
    assert paths == ["/engines/_configure", "/engines/v1/chat/completions"]
    assert runner.bodies("_configure") == [{"model": NAME}]


@requirement("models:dmr:address")
async def test_a_socket_is_as_good_as_a_port(tmp_path: Path) -> None:
    """agent-file.md §3.8: over /var/run/docker.sock."""
    path = tmp_path / "Docker.sock"
    with running(NAME, unix=path) as runner:
        address = f"http+unix://{str(path).replace('/', '%2F')}/exp"
        async with loaded(tmp_path, file(), {"MODEL_RUNNER_HOST": address}) as team:
            assert await answer(team.agents["root"]) == "I run here."
            assert await answer(team.agents["root"]) == "I run here."
        paths = [path for path, _ in runner.heard]
    assert paths == ["/exp/engines/_configure", *["/exp/engines/v1/chat/completions"] * 2]


@requirement("models:dmr:configure")
async def test_the_engine_is_set_up_as_the_file_says(runner: Runner, tmp_path: Path) -> None:
    """agent-file.md §3.7 and §3.8: the body of _configure; §3.9: thinking for llama.cpp."""
    options = {
        "context_size": "8192",
        "runtime_flags": ["--threads", 8],
        "mode": "completion",
        "keep_alive": "5m",
        "speculative_draft_model": "ai/small",
        "speculative_num_tokens": 5,
        "speculative_acceptance_rate": 0.8,
        "hf_overrides": {"max_len": 9},
        "gpu_memory_utilization": 0.9,
        "supports_images": True,
    }
    keys = file(provider_opts=options, thinking_budget="low", max_tokens=50)
    async with loaded(tmp_path, keys, {"MODEL_RUNNER_HOST": runner.address}) as team:
        card = team.agents["root"].model.card
        await answer(team.agents["root"])
    assert (card.context, card.image, card.document) == (8192, True, False)
    [body] = runner.bodies("_configure")
    assert body == {
        "model": NAME,
        "mode": "completion",
        "context-size": 8192,
        "runtime-flags": ["--threads", "8"],
        "speculative": {
            "draft_model": "ai/small",
            "num_tokens": 5,
            "min_acceptance_rate": 0.8,
        },
        "keep_alive": "5m",
        "vllm": {"hf-overrides": {"max_len": 9}, "gpu-memory-utilization": 0.9},
        "llamacpp": {"reasoning-budget": 2048},
    }
    assert runner.bodies("completions")[0]["max_tokens"] == 50


@requirement("models:dmr:configure")
@pytest.mark.parametrize(
    ("budget", "engine", "configured", "asked"),
    [
        ("adaptive", "llama.cpp", {"llamacpp": {"reasoning-budget": -1}}, {}),
        (500, "vllm", {}, {"thinking_token_budget": 500}),
        (0, "vllm", {}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            "none",
            "llama.cpp",
            {"llamacpp": {"reasoning-budget": 0}},
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        (None, "vllm", {}, {}),
    ],
)
def test_thinking_is_set_where_the_engine_takes_it(
    budget: JSON, engine: str, configured: dict[str, JSON], asked: dict[str, JSON]
) -> None:
    """agent-file.md §3.9, DMR."""
    options = options_of(resolved({"provider": "dmr", "model": "m", "thinking_budget": budget}))
    assert options.configuration("m", engine) == {"model": "m", **configured}
    assert options.extra(engine) == asked


@requirement("models:dmr:options")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime_flags": ["-a"], "raw_runtime_flags": "-b"}, "give it or runtime_flags"),
        ({"mode": "chatting"}, "'chatting' must be one of completion, embedding"),
        ({"keep_alive": "soon"}, "keep_alive.*a duration such as 5m"),
        ({"gpu_memory_utilization": 1.5}, "1.5 must be a number from 0 to 1"),
        ({"hf_overrides": {"a-b": 1}}, "'a-b' is no name"),
        ({"hf_overrides": 5}, "must be a mapping"),
        ({"supports_images": "yes"}, "supports_images: must be true or false"),
        ({"runtime_flags": 5}, "must be a list of flags"),
        ({"raw_runtime_flags": 5}, "raw_runtime_flags: must be a text"),
    ],
)
def test_an_option_that_cannot_be_stops_the_start(options: dict[str, JSON], said: str) -> None:
    """agent-file.md §3.7: DMR's wrong options are load errors, with their place."""
    with pytest.raises(ConfigError, match=said):
        options_of(resolved({"provider": "dmr", "model": "m", "provider_opts": options}))


@requirement("models:dmr:options")
async def test_tools_and_messages_go_as_local_engines_take_them(
    runner: Runner, tmp_path: Path
) -> None:
    """agent-file.md §3.2.3, DMR: descriptions never empty, no additionalProperties on top,
    neighbouring messages merged."""
    tools = ToolList([ToolSpec("f", "", {"properties": {"a": {"type": "object"}}})])
    async with loaded(tmp_path, file(), {"MODEL_RUNNER_HOST": runner.address}) as team:
        model = team.agents["root"].model
        await model.reply(Ask((UserMessage("a"), UserMessage("b")), tools), Told().hear)
    [body] = runner.bodies("completions")
    assert body["messages"] == [{"role": "user", "content": "a\nb"}]
    function = body["tools"][0]["function"]
    assert function["description"] == "Function f"
    assert "additionalProperties" not in function["parameters"]


@requirement("models:dmr:pull")
def test_a_missing_model_is_fetched_at_the_start(
    runner: Runner, serve: Serve, tmp_path: Path
) -> None:
    """agent-file.md §3.8, 3: `docker model status --json`, then `docker model pull`; the command
    gets no key."""
    port = runner.address.rpartition(":")[2]
    runner.models = ["ai/other:latest"]
    status = json.dumps({"running": True, "endpoint": f"http://127.0.0.1:{port}/engines/v1"})
    path = docker_command(
        tmp_path,
        f"'model status --json') echo '{status}';;\n"
        f"'model inspect {NAME}') exit 1;;\n'model pull {NAME}') echo done;;",
    )
    env = {"PATH": path, "OPENAI_API_KEY": "sk-secret"}
    server = serve(json.dumps(file(), indent=1), env=env)
    assert server.client().chat("hi").content == "I run here."
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["model status --json", f"model inspect {NAME}", f"model pull {NAME}"]
    assert "sk-secret" not in (tmp_path / "env").read_text()


@requirement("models:dmr:errors")
def test_a_pull_that_fails_says_its_last_words(runner: Runner, tmp_path: Path) -> None:
    """agent-file.md §3.8: the last 5 lines of stderr."""
    port = runner.address.rpartition(":")[2]
    runner.models = []
    status = json.dumps({"endpoint": f"http://127.0.0.1:{port}/engines/v1"})
    path = docker_command(
        tmp_path,
        f"'model status --json') echo '{status}';;\n'model inspect {NAME}') exit 1;;\n"
        f"'model pull {NAME}') seq 1 9 >&2; echo 'no such model' >&2; exit 1;;",
    )
    agent = tmp_path / "agent.yaml"
    agent.write_text(json.dumps(file(), indent=1))
    done = run_command("serve", "chat", str(agent), home=tmp_path, env={"PATH": path})
    assert done.returncode == 1
    assert "failed:\n  6\n  7\n  8\n  9\n  no such model" in done.stderr
    assert "Traceback" not in done.stderr


@requirement("models:dmr:errors")
async def test_without_the_plugin_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agent-file.md §3.8: `unknown flag: --json` means it is not installed."""
    path = docker_command(tmp_path, "*) echo 'unknown flag: --json' >&2; exit 125;;")
    monkeypatch.setenv("PATH", path)
    with pytest.raises(ConfigError, match="is not installed: update Docker Desktop"):
        async with loaded(tmp_path, file()):
            pass


@requirement("models:dmr:errors")
async def test_without_a_docker_command_the_runner_is_asked_itself(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agent-file.md §3.8: not listed is an error naming the pull command."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dmr_find, "ON_HOST", f"{runner.address}/engines/v1/")
    monkeypatch.setattr(dmr_find, "_DOCKER_ENV", tmp_path / "nothing")
    async with loaded(tmp_path, file()) as team:
        assert await answer(team.agents["root"]) == "I run here."
    with pytest.raises(ConfigError, match="fetch it: docker model pull ai/other"):
        async with loaded(tmp_path, file(model="ai/other")):
            pass


@requirement("models:dmr:errors")
async def test_failures_of_a_call_say_what_to_do(runner: Runner, tmp_path: Path) -> None:
    """Errors that teach: start it, or fetch the model; no address in them."""
    async with loaded(tmp_path, file(base_url=f"{runner.address}/engines/v1")) as team:
        runner.missing = True
        with pytest.raises(ModelError, match=f"docker model pull {NAME}"):
            await answer(team.agents["root"])
    nothing = {"MODEL_RUNNER_HOST": "http://127.0.0.1:9"}
    async with loaded(tmp_path, file(), nothing) as team:
        with pytest.raises(ModelError, match="docker desktop enable model-runner") as failed:
            await answer(team.agents["root"])
    assert "127.0.0.1" not in str(failed.value) and failed.value.transient


@requirement("models:dmr:choice")
@pytest.mark.parametrize(
    ("ids", "picked"),
    [
        (["a", NAME], NAME),
        (["ai/x", "ai/qwen3:8B"], "ai/qwen3:8B"),
        (["ai/embeddinggemma", "ai/gemma3"], "ai/gemma3"),
        (["ai/embed"], NAME),
        ([], NAME),
    ],
)
def test_the_model_of_nobodys_choice(ids: list[str], picked: str) -> None:
    """agent-file.md §3.8: default, another tag of it, the first that embeds nothing, default."""
    assert pick(NAME, ids) == picked


@requirement("models:dmr:choice")
def test_a_model_without_tag_is_there_with_any() -> None:
    """agent-file.md §3.8: an untagged id matches any tag."""
    assert is_listed("ai/qwen3", ["ai/qwen3:8B"])
    assert not is_listed("ai/qwen3:4B", ["ai/qwen3:8B"])
    assert not is_listed("ai/qwen", ["ai/qwen3"])


@requirement("models:dmr:choice")
async def test_auto_ends_with_a_runner_if_there_is_one(runner: Runner, tmp_path: Path) -> None:
    """agent-file.md §3.3: the last row; 16,000 tokens at most."""
    runner.models = ["ai/embed", "ai/gemma3:4B"]
    content = {"agents": {"root": {"model": "auto"}}}
    async with loaded(tmp_path, content, {"MODEL_RUNNER_HOST": runner.address}) as team:
        card = team.agents["root"].model.card
        assert (card.provider, card.name) == ("dmr", "ai/gemma3:4B")
        await answer(team.agents["root"])
    assert runner.bodies("completions")[0]["max_tokens"] == 16_000


@requirement("models:dmr:options")
async def test_pictures_reach_only_models_that_see(runner: Runner, tmp_path: Path) -> None:
    """agent-file.md §3.8: attachments only via supports_* or capabilities."""
    seeing = {"capabilities": {"image": True, "pdf": False}}
    for keys, sees in (({}, False), (seeing, True)):
        async with loaded(tmp_path, file(**keys), {"MODEL_RUNNER_HOST": runner.address}) as team:
            assert team.agents["root"].model.card.image is sees
    async with open_http() as http:
        assert await dmr_find.listed("http://127.0.0.1:9/", http) is None
