"""The harness starts the real command, talks to it, and shows why it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Lane, Serve
from tests.harness import Server, agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import hold, say


@requirement("scripted:harness")
def test_a_lane_is_one_agent_with_a_model_of_its_own(lane: Lane) -> None:
    """Source: the harness's own promise."""
    lane.model.script(say("Hi", " you"))
    assert lane.client.chat("Hello").content == "Hi you"
    assert [heard.text for heard in lane.model.heard] == ["Hello"]
    gate = Gate()
    lane.model.script(say("a") + hold(gate))
    with lane.client.stream("x") as stream:
        assert stream.next_text() == "a"
    assert lane.model.wait_heard(2).wait_cut()


@requirement("scripted:harness")
def test_a_server_of_its_own_takes_flags(serve: Serve, scripted: Scripted, model: Model) -> None:
    """Source: the harness's own promise."""
    agents = {"root": {"model": model.name, "description": "d"}, "other": "other-model"}
    server = serve(agent_yaml(scripted.url, agents), "--api-key", "k")
    assert server.client().chat("x").status == 401
    assert server.client(key="k").chat("x").content == "x"
    assert model.heard[0].body["model"] == model.name
    assert server.url == f"http://127.0.0.1:{server.port}/v1"


@requirement("scripted:harness")
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Source: the harness's own promise."""
    with pytest.raises(AssertionError, match=r"no banner \(exit [12]\)[^$]*stderr: .*agents"):
        Server("version: '9'\nagents: 3\n", home=tmp_path).start()


@requirement("scripted:harness")
def test_commands_run_in_a_home_of_their_own(tmp_path: Path) -> None:
    """Source: the harness's own promise."""
    done = run_command("version", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout
