"""What is wrong with models and providers is said with file, line and path."""

from __future__ import annotations

import pytest

from tests.config.reading import complaints, problems, read
from tests.requirements import requirement

UNKNOWN = "that does not exist; name an entry of 'models' or write provider/model"
MODELS = "models:\n  fast: {provider: openai, model: x}\n"


@requirement("file:8:E11", "file:8:E12")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents:\n  r:\n    model: fats",
         f"5: agents.r.model: agent 'r' references model 'fats' {UNKNOWN}; did you mean 'fast'?"),
        ("agents:\n  r:\n    model: fast, Fast",
         f"5: agents.r.model: agent 'r' references model 'Fast' {UNKNOWN}; did you mean 'fast'?"),
        ("agents:\n  r:\n    model: /x",
         f"5: agents.r.model: agent 'r' references model '/x' {UNKNOWN}"),
        ("agents:\n  r:\n    model: fast\n    fallback:\n      models: [fast, slow]",
         f"7: agents.r.fallback.models[1]: agent 'r' references model 'slow' {UNKNOWN}"),
        ("agents:\n  r:\n    model: fast\n    fallback: {models: [auto]}",
         f"6: agents.r.fallback.models[0]: agent 'r' references model 'auto' {UNKNOWN}"),
        ("agents:\n  r:\n    model: fast\n    toolsets:\n      - {type: think, model: big}",
         f"7: agents.r.toolsets[0].model: agent 'r' references model 'big' {UNKNOWN}"),
        ("  m:\n    provider: a\n    model: b\n    routing: [{model: q}]",
         "6: models.m.routing[0].model: routing rule 0 of model 'm' references model 'q' "
         f"{UNKNOWN}"),
        ("  m:\n    provider: a\n    model: b\n    compaction_model: q",
         f"6: models.m.compaction_model: model 'm' references model 'q' {UNKNOWN}"),
        ("  m:\n    provider: a\n    model: b\n    title_model: q",
         f"6: models.m.title_model: model 'm' references model 'q' {UNKNOWN}"),
        ("rag:\n  d:\n    strategies:\n"
         "      - {type: semantic-embeddings, embedding_model: fast, chat_model: q}",
         f"6: rag.d.strategies[0].chat_model: rag source 'd' references model 'q' {UNKNOWN}"),
    ],
)  # fmt: skip
def test_a_reference_to_a_model_leads_somewhere(text: str, said: str) -> None:
    """agent-file.md §2.7.2."""
    complaints(MODELS + text + "\n", said)


@requirement("file:8:E11")
def test_a_rule_does_not_route_to_a_router() -> None:
    """agent-file.md §3.11."""
    complaints(
        """
        models:
          a: {provider: x, model: y, routing: [{model: x/z, examples: [hi]}]}
          b: {provider: x, model: y, routing: [{model: a, examples: [hi]}]}
        """,
        "3: models.b.routing[0].model: 'a' is a router too; a rule names a model",
    )


@requirement("file:8:E14", "file:2.8:definition")
@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("'': {base_url: 'http://h'}", '2: providers[""]: a provider needs a name'),
        ("' p': {base_url: 'http://h'}",
         "2: providers[\" p\"]: the name ' p' must not begin or end with a blank"),
        ("a/b: {base_url: 'http://h'}", "2: providers.a/b: the name 'a/b' must not hold a '/'"),
        ("p: {base_url: 'http://h', api_type: openai_response}",
         "2: providers.p.api_type: 'openai_response' is no api_type; "
         "did you mean 'openai_responses'?"),
        ("p: {token_key: K}", "2: providers.p: the key 'base_url' is missing"),
        ("p: {provider: groq, api_type: openai_responses}",
         "2: providers.p: the key 'base_url' is missing"),
        ("p: {base_url: '::'}",
         "2: providers.p.base_url: '::' is no address; write one such as https://host/v1"),
        ("p: {base_url: 'http://h:x/'}",
         "2: providers.p.base_url: 'http://h:x/' is no address; write one such as https://host/v1"),
        ("p: {provider: groq, auth: {}}", "2: providers.p.auth: needs the provider anthropic"),
    ],
)  # fmt: skip
def test_a_provider_definition_is_checked(definition: str, said: str) -> None:
    """agent-file.md §2.8."""
    assert problems(f"providers:\n  {definition}\n")[0] == f"agent.yaml:{said}"


@requirement("file:2.8:definition")
def test_a_provider_definition_may_name_variables_and_leave_out_what_its_type_knows() -> None:
    """agent-file.md §2.8."""
    file = read("""
        providers:
          mine: {base_url: "https://${HOST}/v1", token_key: KEY}
          fast: {provider: groq, temperature: 0.5}
          openai: {base_url: "http://localhost:1/v1"}
    """)
    assert list(file.providers) == ["mine", "fast", "openai"]


SELECTORS = """models:
  r: {provider: a, model: b, routing: [{model: s2}]}
  s2: {first_available: [a/b]}
"""


@requirement("file:8:E15", "file:3.4:shape")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{first_available: []}", "4: models.m.first_available: needs at least one candidate"),
        ("{first_available: [' ', a/b]}", "4: models.m.first_available[0]: must not be blank"),
        ("{first_available: [a/b], token_key: K}",
         "4: models.m.token_key: 'token_key' cannot stand beside 'first_available'"),
        ("{first_available: [a/b], model: x}",
         "4: models.m.model: 'model' cannot stand beside 'first_available'"),
        ("{first_available: [s2]}",
         "4: models.m.first_available[0]: a candidate must not be a selector itself"),
        ("{first_available: [q]}",
         f"4: models.m.first_available[0]: model 'm' references model 'q' {UNKNOWN}"),
        ("{first_available: [r]}",
         "4: models.m.first_available[0]: a candidate must not route to 's2', which selects or "
         "routes"),
    ],
)  # fmt: skip
def test_a_selector_is_checked(value: str, said: str) -> None:
    """agent-file.md §3.4."""
    complaints(f"{SELECTORS}  m: {value}\n", said)


@requirement("file:3.4:shape")
def test_a_selector_tolerates_two_keys_and_its_candidates_are_models() -> None:
    """agent-file.md §3.4."""
    file = read("""
        models:
          m: {first_available: [n, openai/x], parallel_tool_calls: true, capabilities: {pdf: true}}
          n: {provider: a, model: b}
    """)
    assert file.models["m"].is_selector
    assert file.models["openai/x"].provider == "openai"


@requirement("file:8:E19")
@pytest.mark.parametrize("value", ["0", "-0.1", "1.01"])
def test_a_threshold_of_compaction_is_a_share(value: str) -> None:
    """agent-file.md §2.3 and §2.7.1."""
    said = f"compaction_threshold: must be above 0 and at most 1, got {value}"
    complaints(
        f"agents:\n  r: {{model: m, compaction_threshold: {value}}}\n"
        f"models:\n  m: {{provider: a, model: b, compaction_threshold: {value}}}\n",
        f"2: agents.r.{said}",
        f"4: models.m.{said}",
    )


EFFORTS = (
    "none, minimal, low, medium, high, xhigh, max, adaptive, adaptive/low, adaptive/medium, "
    "adaptive/high, adaptive/xhigh, adaptive/max"
)


@requirement("file:8:E20", "file:3.9:words")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("thinking_budget: hihg",
         f"thinking_budget: 'hihg' is no thinking budget; it must be a number of tokens or one of "
         f"{EFFORTS}"),
        ("thinking_budget: -2", "thinking_budget: must be at least -1, got -2"),
        ("thinking_budget: true",
         f"thinking_budget: 'true' is no thinking budget; it must be a number of tokens or one of "
         f"{EFFORTS}"),
        ("thinking_budget: [1]",
         "thinking_budget: is a list; a whole number or a text is expected"),
        ("task_budget: -1", "task_budget: must be at least 0, got -1"),
        ("task_budget: many", "task_budget: is a text; a whole number or a mapping is expected"),
        ("task_budget: {type: time, total: 1}",
         "task_budget.type: 'time' is not possible here; use one of tokens"),
        ("task_budget: {total: -5}", "task_budget.total: must be at least 0, got -5"),
    ],
)  # fmt: skip
def test_a_budget_is_checked(value: str, said: str) -> None:
    """agent-file.md §2.7.1 and §3.9."""
    complaints(
        f"models:\n  m:\n    provider: a\n    model: b\n    {value}\n", f"5: models.m.{said}"
    )


@requirement("file:3.9:words")
@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("0", 0),
        ("-1", -1),
        ("20000", 20000),
        ("High", "high"),
        ("' adaptive/MAX '", "adaptive/max"),
    ],
)
def test_a_thinking_budget_is_a_number_or_a_word(value: str, read_as: object) -> None:
    """agent-file.md §3.9: case-insensitive, trimmed."""
    file = read(f"models: {{m: {{provider: a, model: b, thinking_budget: {value}}}}}")
    assert file.models["m"].thinking_budget == read_as


@requirement("file:8:E21")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("retries: -2", "retries: must be at least -1, got -2"),
        ("cooldown: -1s", "cooldown: must be at least 0, got '-1s'"),
        ("cooldown: 3x",
         "cooldown: '3x' is no duration: 'x' is no unit; use one of ns, us, ms, s, m, h"),
        ("cooldown: 1.5",
         "cooldown: '1.5' is no duration: '1.5' needs a unit, such as '1.5s'"),
        ("cooldown: {}", "cooldown: is a mapping; a duration such as 30s is expected"),
    ],
)  # fmt: skip
def test_a_fallback_is_checked(value: str, said: str) -> None:
    """agent-file.md §3.10."""
    complaints(
        f"agents:\n  r:\n    model: a/b\n    fallback:\n      {value}\n",
        f"5: agents.r.fallback.{said}",
    )


@requirement("file:2.14:durations")
@pytest.mark.parametrize(("value", "seconds"), [("1m30s", 90.0), ("45", 45.0), ("''", 0.0)])
def test_a_cooldown_is_a_duration_or_seconds(value: str, seconds: float) -> None:
    """agent-file.md §2.14."""
    fallback = (
        read(f"agents: {{r: {{model: a/b, fallback: {{cooldown: {value}}}}}}}").agents[0].fallback
    )
    assert fallback is not None
    assert fallback.cooldown == seconds


AUTH = """models:
  m:
    provider: anthropic
    model: x
    auth: {type: workload_identity_federation"""


@requirement("file:8:E33", "file:2.8:auth")
@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("}", ": the key 'workload_identity_federation' is missing"),
        (", workload_identity_federation: {federation_rule_id: x, organization_id: o, "
         "identity_token: {env: T}}}",
         ".workload_identity_federation.federation_rule_id: must begin with 'fdrl_'"),
        (", workload_identity_federation: {federation_rule_id: fdrl_x, organization_id: o, "
         "identity_token: {env: T, file: f}}}",
         ".workload_identity_federation.identity_token: exactly one of file, env, command or url "
         "is needed"),
        (", workload_identity_federation: {federation_rule_id: fdrl_x, organization_id: o, "
         "service_account_id: s, identity_token: {command: [a]}}}",
         ".workload_identity_federation.service_account_id: must begin with 'svac_'"),
    ],
)  # fmt: skip
def test_federated_credentials_are_checked(rest: str, said: str) -> None:
    """agent-file.md §2.8.2."""
    complaints(AUTH + rest, f"5: models.m.auth{said}")
