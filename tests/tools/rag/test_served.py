"""Documents behind the real server: an agent answers from them, `/ready` tells of the index."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, hold, say, usage
from tests.tools.rag.shelf import put

PATIENCE = 20.0
"""Seconds a wait lasts at most."""


def file(scripted: Scripted, model: Model, folder: Path, *strategies: dict[str, Any]) -> Path:
    """An agent that has the documents of `folder`, which the file lies in."""
    source = {"docs": ["docs"], "strategies": [*strategies], "tool": {"name": "look"}}
    agent = {"model": model.name, "toolsets": [{"type": "rag", "ref": "kb"}]}
    text = agent_yaml(scripted.url, {"root": agent}, top={"rag": {"kb": source}})
    path = folder / "agent.yaml"
    path.write_text(text)
    return path


def meaning(maker: Model) -> dict[str, Any]:
    """A strategy by meaning, asked of the scripted server."""
    reference = f"scripted/{maker.name}"
    return {"type": "chunked-embeddings", "embedding_model": reference, "threshold": 0.2}


def until_ready(server: Server, status: int = 200) -> dict[str, Any]:
    """What `/ready` says once it has this status."""
    ends = time.monotonic() + PATIENCE
    while (found := server.client().get("/ready")).status != status:
        assert time.monotonic() < ends, found.body
        time.sleep(0.05)
    return json.loads(found.body)


@requirement("rag:served")
@requirement("rag:usage")
def test_an_agent_answers_from_a_document_and_the_search_is_counted(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §14.4, and `usage` is the sum of the run, searches too (§3)."""
    put(tmp_path, {"docs/a.md": "the kitten sleeps on the sofa", "docs/b.md": "roses want water"})
    maker = scripted.model(f"{model.name}-maker")
    server = serve(file(scripted, model, tmp_path, {"type": "bm25"}, meaning(maker)))
    question = {"query": "where does the kitten sleep"}
    model.script(call("look", question) + usage(20, 3), say("On the sofa.") + usage(30, 4))
    answer = server.client().chat("where is the cat?")
    assert answer.content == "On the sofa."
    (told,) = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert json.loads(told)[0]["source_path"] == "docs/a.md"
    assert str(tmp_path) not in told
    assert [heard.path for heard in maker.heard] == ["/v1/embeddings"] * len(maker.heard)
    assert maker.heard[-1].body["input"] == ["where does the kitten sleep"]
    words = len(question["query"].split())
    assert answer.json["usage"]["prompt_tokens"] == 20 + 30 + words


@requirement("rag:starting")
@requirement("rag:end")
def test_ready_tells_of_the_index_and_a_stop_gives_it_up(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §1.2 and §14.2: in the background after listening; ends with the server."""
    put(tmp_path, {"docs/a.md": "the kitten sleeps"})
    maker = scripted.model(f"{model.name}-maker")
    maker.script(lambda heard: _held(heard, gate))
    gate = Gate()
    server = serve(file(scripted, model, tmp_path, meaning(maker)))
    asked = maker.wait_heard()
    told = json.dumps(until_ready(server, 503))
    assert "knowledge base is still being indexed (0/1 files)" in told
    leaving = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - leaving < 5
    assert asked.wait_cut()
    gate.open()


def _held(heard: Heard, gate: Gate) -> Any:  # noqa: ANN401 - a reply
    return hold(gate) + say("never")
