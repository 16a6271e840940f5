"""What names stand for: models, alloys, inline models, agents of this file and of others."""

from __future__ import annotations

import pytest

from docker_agent.config.references import External, expand, external
from tests.config.reading import complaints, read
from tests.requirements import requirement


@requirement("file:2.7:inline")
def test_an_inline_reference_becomes_a_model_under_its_whole_text() -> None:
    """agent-file.md §2.7.2: split at the first slash, no other fields, no default of
    parallel_tool_calls."""
    file = read("""
        agents:
          root: {model: "dmr/ai/qwen3:latest", fallback: {models: [groq/x]}}
        models:
          named: {provider: openai, model: gpt}
          quiet: {provider: openai, model: gpt, parallel_tool_calls: false}
    """)
    inline = file.models["dmr/ai/qwen3:latest"]
    assert (inline.provider, inline.model) == ("dmr", "ai/qwen3:latest")
    assert inline.parallel_tool_calls is None
    assert str(inline.error("x")) == "agent.yaml:2: agents.root.model: x"
    assert file.models["groq/x"].model == "x"
    assert file.models["named"].parallel_tool_calls is True
    assert file.models["quiet"].parallel_tool_calls is False


@requirement("file:2.7:inline")
def test_an_exact_name_wins_over_the_inline_form() -> None:
    """agent-file.md §2.7.2: exact match first, even if it contains a slash."""
    file = read("""
        agents:
          root: {model: openai/gpt}
          other: {model: "x, y"}
        models:
          openai/gpt: {provider: groq, model: other}
          "x, y": {provider: groq, model: comma}
    """)
    assert [agent.models for agent in file.agents] == [("openai/gpt",), ("x, y",)]
    assert file.models["openai/gpt"].provider == "groq"


@requirement("file:2.7:alloy")
@pytest.mark.parametrize(
    ("model", "models"),
    [
        ("a, b", ("a", "b")),
        (" a ,, openai/x ,", ("a", "openai/x")),
        ("pair", ("a", "b")),
        ("nested, a", ("a", "b", "openai/y", "a")),
        ("auto", ("auto",)),
        ("a, auto", ("a", "auto")),
    ],
)
def test_an_alloy_is_its_parts(model: str, models: tuple[str, ...]) -> None:
    """agent-file.md §2.7.2 and §11, test 8."""
    file = read(f"""
        agents:
          root: {{model: "{model}"}}
        models:
          a: {{provider: x, model: one}}
          b: {{provider: x, model: two}}
          pair: {{model: "a, b"}}
          nested: {{model: "pair, openai/y"}}
    """)
    assert file.agents[0].models == models
    assert expand(file.models, "nested") == ("a", "b", "openai/y")
    assert expand(file.models, "a") == ("a",)


@requirement("file:2.7:alloy", "file:8:E11")
@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('x: {model: "y, a/b"}\n  y: {model: "x, a/b"}',
         "2: models.x.model: the alloy contains itself: x → y → x"),
        ('x: {model: "x, x"}', "2: models.x.model: the alloy contains itself: x → x"),
        ('x: {model: "a/b, nope"}',
         "2: models.x.model: model 'x' references model 'nope' that does not exist; name an entry "
         "of 'models' or write provider/model"),
        ("x: {model: openai/gpt}",
         "2: models.x: the key 'provider' is missing; write 'provider: openai' and 'model: gpt'"),
        ("x: {provider: openai}", "2: models.x: the key 'model' is missing"),
    ],
)  # fmt: skip
def test_a_model_that_is_neither_whole_nor_an_alloy_is_refused(models: str, said: str) -> None:
    """agent-file.md §2.7.1 and §11, test 8; a guard against circles."""
    complaints(f"models:\n  {models}\n", said)


@requirement("file:2.2:default")
@pytest.mark.parametrize(
    ("names", "default"), [(["b", "a"], "b"), (["b", "root"], "root"), ([], "")]
)
def test_the_default_agent_is_root_or_the_first(names: list[str], default: str) -> None:
    """agent-file.md §2.2 and §11, test 2; the order is the file's."""
    agents = ", ".join(f"{name}: {{model: a/b}}" for name in names)
    file = read(f"agents: {{{agents}}}")
    assert [agent.name for agent in file.agents] == names
    assert file.default_agent == default


@requirement("file:5.6:forms")
@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("writer", None),
        ("agentcatalog/pirate", External("pirate", "agentcatalog/pirate")),
        ("agentcatalog/pirate:latest", External("pirate", "agentcatalog/pirate:latest")),
        ("reviewer:myorg/review", External("reviewer", "myorg/review")),
        ("reviewer:myorg/review:v2", External("reviewer", "myorg/review:v2")),
        ("localhost:5000/repo", External("repo", "localhost:5000/repo")),
        ("r:localhost:5000/repo", External("r", "localhost:5000/repo")),
        ("ghcr.io/a/b/c", External("c", "ghcr.io/a/b/c")),
        ("ghcr.io/a/b@sha256:" + "0" * 64, External("b", "ghcr.io/a/b@sha256:" + "0" * 64)),
        ("https://host/dir/agent.yaml", External("agent", "https://host/dir/agent.yaml")),
        ("mine:https://host/agent.yaml", External("mine", "https://host/agent.yaml")),
        ("https://host", None),
        ("https://", None),
        ("https:///x", None),
        ("https://[host/x", None),
        ("Some/Thing", None),
        ("a b/c", None),
        ("name:local", None),
    ],
)
def test_an_agent_elsewhere_is_recognised(reference: str, found: External | None) -> None:
    """agent-file.md §5.6."""
    assert external(reference) == found


@requirement("file:5.6:forms")
def test_agents_elsewhere_are_kept_for_the_loader() -> None:
    """agent-file.md §5.6."""
    file = read("""
        agents:
          root:
            model: a/b
            sub_agents: [org/x, "y:org/z"]
            handoffs: ["https://host/w.yaml"]
    """)
    assert file.agents[0].sub_agents == ("org/x", "y:org/z")
    assert file.agents[0].handoffs == ("https://host/w.yaml",)
