"""Every client, every case: unmodified client libraries drive an agent. Source: clients.md,
parts.md B1."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import matrix, table
from tests.e2e.conftest import Drivers
from tests.e2e.driver import Asked, ClientError, Driver
from tests.e2e.matrix import CLIENTS, Client
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, call, context_too_long, fail, hold, say, stream_error, usage

KEY = "right"
LANES = 200
each_client = pytest.mark.parametrize(
    "client",
    [pytest.param(client, id=client.name) for client in CLIENTS],
)


@pytest.fixture(scope="session")
def agents(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server whose agents `lane0`, … have a tool and a model of their own, with a key and with
    conversations; their models are asked once, so that what repeats is the client."""
    keys: dict[str, Any] = {"toolsets": [{"type": "think"}], "fallback": {"retries": -1}}
    every = {f"lane{n}": {**keys, "model": f"lane{n}"} for n in range(LANES)}
    home = tmp_path_factory.mktemp("agents")
    flags = ("--api-key", KEY, "--conversations-max", "100")
    with Server(agent_yaml(scripted.url, every), *flags, home=home) as server:
        yield server
    assert "Traceback" not in server.log


@pytest.fixture(scope="session")
def lanes() -> Iterator[int]:
    """Lanes nobody has used."""
    return iter(range(LANES))


@dataclass(frozen=True, slots=True)
class Bench:
    """One client before one agent that is this test's alone."""

    client: Client
    driver: Driver
    model: Model
    url: str

    def ask(self, case: str, **more: object) -> Asked:
        """Begin a case."""
        every: dict[str, object] = {"url": self.url, "key": KEY, "model": self.model.name}
        return self.driver.ask(case, **{**every, **more})

    def says(self, done: dict[str, Any], text: str) -> None:
        """The client's answer is this text, or shows it."""
        assert done["text"] == text if self.client.plain else text in done["text"], done


@pytest.fixture
def bench(
    client: Client,
    drivers: Drivers,
    agents: Server,
    scripted: Scripted,
    lanes: Iterator[int],
    request: pytest.FixtureRequest,
) -> Bench:
    """The client and its agent; skips what the client cannot do, with the reason."""
    case = request.node.get_closest_marker("case").args[0]
    table.cell(request, client.name, case)
    if case in client.cannot:
        pytest.skip(f"{client.name} {client.cannot[case]}")
    return Bench(client, drivers(client), scripted.model(f"lane{next(lanes)}"), agents.url)


@requirement("clients:matrix")
@pytest.mark.case(matrix.MODELS)
@each_client
def test_the_agents_are_listed_as_models(bench: Bench) -> None:
    """clients.md 54, 58: the list is OpenAI's, `created` included."""
    listed = bench.ask("models").done()
    assert [f"lane{n}" in listed for n in range(LANES)] == [True] * LANES


@requirement("clients:matrix")
@pytest.mark.case(matrix.WHOLE)
@each_client
def test_a_whole_answer_arrives(bench: Bench) -> None:
    """clients.md 84: JSON mode, the text as the model said it."""
    bench.model.script(say("Hello ", "Ünïcode 🙂"))
    bench.says(bench.ask("whole", text="greet me").done(), "Hello Ünïcode 🙂")
    assert "greet me" in bench.model.heard[0].text


@requirement("clients:matrix")
@pytest.mark.case(matrix.STREAM)
@each_client
def test_a_streamed_answer_arrives_piece_by_piece(bench: Bench) -> None:
    """clients.md 16, 19: what the model said is shown while the model still thinks."""
    gate = Gate()
    bench.model.script(begin() + say("First ") + hold(gate) + say("second ", "third."))
    asked = bench.ask("stream")
    asked.wait_piece("First")
    gate.open()
    bench.says(asked.done(), "First second third.")


@requirement("clients:matrix")
@pytest.mark.case(matrix.USAGE)
@each_client
def test_usage_is_counted_once_in_both_modes(bench: Bench) -> None:
    """clients.md 7, 85: the tokens the model counted, in JSON and in streams."""
    bench.model.script(say("four", "!") + usage(31, 12))
    expected = [31, 12, 43] if bench.client.plain else [31, 12]
    assert bench.ask("whole").done()["usage"] == expected
    if bench.client.counts_streams:
        assert bench.ask("stream").done()["usage"] == expected


@requirement("clients:matrix")
@pytest.mark.case(matrix.TOOLS)
@each_client
def test_the_clients_own_tools_pause_and_resume_the_run(bench: Bench) -> None:
    """clients.md 33: the client runs its tool by its own loop, and the agent goes on."""
    bench.model.script(call("weather", {"city": "Rome"}), say("It is warm."))
    bench.says(bench.ask("tools", text="Rome?").done(), "It is warm.")
    _answered_the_call(bench)


@requirement("clients:matrix")
@pytest.mark.case(matrix.TOOLS_STREAM)
@each_client
def test_the_clients_own_tools_work_in_streams(bench: Bench) -> None:
    """clients.md 31: streamed calls have index, id, type and whole arguments."""
    bench.model.script(
        say("Let me see.") + call("weather", {"city": "Rome"}, pieces=3), say("It is ", "warm.")
    )
    assert bench.ask("tools_stream", text="Rome?").done()["text"].endswith("It is warm.")
    _answered_the_call(bench)


def _answered_the_call(bench: Bench) -> None:
    assert len(bench.model.heard) == 2
    told = bench.model.heard[1].messages[-1]
    assert (told["role"], told["content"]) == ("tool", "22 degrees in Rome")


@requirement("clients:matrix")
@pytest.mark.case(matrix.SCHEMA)
@each_client
def test_a_schema_reaches_the_model_and_the_answer_fits(bench: Bench) -> None:
    """clients.md 47: structured output by the client's own means."""
    bench.model.script(say('{"city": "Rome", ', '"degrees": 22}'))
    assert bench.ask("schema").done() == {"city": "Rome", "degrees": 22}
    asked = bench.model.heard[0].body["response_format"]
    assert asked["type"] == "json_schema"
    assert set(asked["json_schema"]["schema"]["properties"]) == {"city", "degrees"}


@requirement("clients:matrix")
@pytest.mark.case(matrix.CONVERSATION)
@each_client
def test_a_header_continues_a_conversation(bench: Bench) -> None:
    """clients.md 76: the client sends only what is new, and the agent knows the rest."""
    headers = {"X-Conversation-Id": f"thread of {bench.model.name}"}
    bench.model.script(say("Hello Alice."), say("You are Alice."))
    bench.ask("whole", text="I am Alice", headers=headers).done()
    bench.says(bench.ask("stream", text="Who?", headers=headers).done(), "You are Alice.")
    told = [(m["role"], m["content"]) for m in bench.model.heard[1].messages]
    assert told[1:] == [("user", "I am Alice"), ("assistant", "Hello Alice."), ("user", "Who?")]


@requirement("clients:matrix")
@pytest.mark.case(matrix.REFUSED)
@each_client
def test_an_error_reaches_the_user_in_words(bench: Bench) -> None:
    """clients.md 67, 68: the client's own exception, with our status and our words, asked once."""
    with pytest.raises(ClientError) as refused:
        bench.ask("whole", key="wrong").done()
    _tells(bench, refused.value, 401, "key")
    bench.model.script(context_too_long())
    with pytest.raises(ClientError) as too_long:
        bench.ask("whole", text="too long?").done()
    _tells(bench, too_long.value, 400, "context")
    # The server itself may ask for a summary; the client's question came once.
    asked = [heard for heard in bench.model.heard if "too long?" in heard.text]
    assert len(asked) == 1


def _tells(bench: Bench, error: ClientError, status: int, word: str) -> None:
    assert word in error.message, error
    if bench.client.statuses:
        assert error.status == status, error


@requirement("clients:matrix")
@pytest.mark.case(matrix.BROKEN)
@each_client
def test_an_error_in_a_stream_is_noticed(bench: Bench) -> None:
    """clients.md 22: an error event after the first text is no good end."""
    bench.model.script(say("Half an ") + stream_error("the model fell over"))
    with pytest.raises(ClientError):
        bench.ask("stream").done()


@requirement("clients:matrix")
@pytest.mark.case(matrix.RETRIED)
@each_client
def test_a_failure_that_changed_nothing_is_tried_again_by_the_client(bench: Bench) -> None:
    """clients.md 71: as often as the client does by itself, counted at the model."""
    if bench.client.tries != 1:
        bench.model.script(fail(503, "overloaded"), say("Here I am."))
        bench.says(bench.ask("whole").done(), "Here I am.")
        assert len(bench.model.heard) == 2
        bench.model.forget()
    if bench.client.tries is not None:
        bench.model.script(fail(503, "overloaded"))
        with pytest.raises(ClientError):
            bench.ask("whole").done()
        assert len(bench.model.heard) == bench.client.tries


@requirement("clients:matrix")
@pytest.mark.case(matrix.ACTED)
@each_client
def test_a_failure_after_a_tool_has_run_is_not_tried_again(bench: Bench) -> None:
    """clients.md 71: x-should-retry: false keeps the client from running the tool twice."""
    bench.model.script(call("think", {"thought": "hm"}), fail(503, "overloaded"))
    with pytest.raises(ClientError):
        bench.ask("whole").done()
    assert len(bench.model.heard) == 2


@requirement("clients:matrix")
def test_aider_edits_a_file_as_the_agent_says(
    drivers: Drivers, agents: Server, scripted: Scripted, lanes: Iterator[int]
) -> None:
    """parts.md B1: aider works with an agent in the model's place, to the last byte on disk."""
    model = scripted.model(f"lane{next(lanes)}").script(say("main.py\n```\nx = 2\n```\n"))
    aider = next(client for client in CLIENTS if client.name == "aider")
    ask = {"url": agents.url, "key": KEY, "model": model.name, "text": "Make x two."}
    assert drivers(aider).ask("edit", **ask).done()["file"] == "x = 2\n"
