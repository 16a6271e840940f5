"""Keys and values of the wrong kind: what is said, and where."""

from __future__ import annotations

import pytest

from tests.config.reading import complaints, read
from tests.requirements import requirement


@requirement("file:8:E4")
@pytest.mark.parametrize(
    ("version", "said"), [("13", "'13'"), ("-1", "'-1'"), ("v2", "'v2'"), ("[1]", "'a list'")]
)
def test_an_unknown_version_is_refused(version: str, said: str) -> None:
    """agent-file.md §1.3."""
    complaints(
        f"agents: {{}}\nversion: {version}\n",
        f"2: version: unsupported version {said}; the versions are 0 to 12",
    )


@requirement("file:8:E4")
@pytest.mark.parametrize("version", ["version: 12\n", "version: '12'\n", "version: ''\n", ""])
def test_the_version_may_be_a_number_a_text_or_absent(version: str) -> None:
    """agent-file.md §1.3."""
    assert read(f"{version}agents: {{}}").version == "12"


@requirement("file:8:E5", "file:1.4:unknown-key")
def test_an_unknown_key_is_refused_wherever_it_stands() -> None:
    """agent-file.md §1.4: error with the key name and line."""
    complaints(
        """
        agnets: {}
        x-defaults: {}
        agents:
          root:
            modle: a/b
            fallback: {retry: 1}
            toolsets:
              - type: shell
                tols: [x]
              - type: mcp
                remote: {url: "http://h", header: {}}
        models:
          m: {provider: openai, model: x, temprature: 1}
        """,
        "1: unknown key 'agnets'; did you mean 'agents'?",
        "2: unknown key 'x-defaults'; the keys here are version, agents, models, providers, mcps, "
        "rag, toolsets, commands, skills, permissions, runtime, metadata",
        "5: agents.root: unknown key 'modle'; did you mean 'model'?",
        "6: agents.root.fallback: unknown key 'retry'; did you mean 'retries'?",
        "13: models.m: unknown key 'temprature'; did you mean 'temperature'?",
    )
    complaints(
        """
        budgets: {}
        providers: {p: {base_url: "http://h", headers: {}}}
        agents:
          root: {model: a/b, enable_bang_commands: true}
        """,
        "1: unknown key 'budgets'; the keys here are version, agents, models, providers, mcps, "
        "rag, toolsets, commands, skills, permissions, runtime, metadata",
        "2: providers.p: unknown key 'headers'; did you mean 'provider_opts.http_headers'?",
        "4: agents.root: unknown key 'enable_bang_commands'",
    )
    complaints(
        """
        agents:
          root:
            model: a/b
            toolsets:
              - type: shell
                tols: [x]
              - type: mcp
                remote: {url: "http://h", header: {}}
        """,
        "6: agents.root.toolsets[0]: unknown key 'tols'; did you mean 'tools'?",
        "8: agents.root.toolsets[1].remote: unknown key 'header'; did you mean 'headers'?",
    )


@requirement("file:1.4:free-form")
def test_free_form_maps_hold_any_key() -> None:
    """agent-file.md §1.4."""
    file = read("""
        agents:
          root:
            model: m
            structured_output: {name: n, schema: {anything: {here: [1, null]}}}
            toolsets:
              - {type: shell, env: {ANY: "1"}}
              - {type: mcp, command: x, config: {what: ever}}
              - {type: fetch, headers: {X-Any: "1"}}
              - {type: script, shell: {t: {cmd: "ls", args: {p: {type: string}}}}}
              - {type: rag, rag_config: {strategies: [{type: bm25, k1: 2, own: 3}]}}
        models:
          m: {provider: openai, model: x, provider_opts: {any: {thing: 1}}}
    """)
    options = file.models["m"].provider_opts
    assert options is not None
    assert options.plain() == {"any": {"thing": 1}}
    output = file.agents[0].structured_output
    assert output is not None
    assert output.schema.plain() == {"anything": {"here": [1, None]}}


@requirement("file:8:E6")
def test_a_duplicate_key_is_refused() -> None:
    """agent-file.md §8."""
    complaints(
        "agents:\n  root: {model: a/b}\n  root: {model: a/c}\n",
        "3: the key 'root' is already defined at line 2",
    )


@requirement("file:8:E7", "file:1.4:types")
def test_a_value_of_the_wrong_type_is_refused() -> None:
    """agent-file.md §1.4: no conversion of texts to numbers and bools, none of scalars to lists."""
    complaints(
        """
        agents:
          root:
            model: [a/b]
            description: {a: 1}
            add_date: yes
            add_environment_info: "true"
            max_iterations: "5"
            num_history_items: 1.5
            sub_agents: other
            commands: {}
            fallback: 3
            handoffs: [[x], null, {}]
        """,
        "3: agents.root.model: is a list; a text is expected",
        "4: agents.root.description: is a mapping; a text is expected",
        "5: agents.root.add_date: 'yes' is a text; true or false is expected",
        "6: agents.root.add_environment_info: 'true' is a text; true or false is expected",
        "7: agents.root.max_iterations: '5' is a text; a whole number is expected",
        "8: agents.root.num_history_items: 1.5 is a number; a whole number is expected",
        "9: agents.root.sub_agents: is a text; a list is expected",
        "11: agents.root.fallback: is a number; a mapping is expected",
        "12: agents.root.handoffs[0]: is a list; a text is expected",
        "12: agents.root.handoffs[1]: is empty; leave it out",
    )


@requirement("file:8:E7")
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("toolsets: [x]", "3: agents.r.toolsets[0]: is a text; a mapping is expected"),
        ("skills: 1", "3: agents.r.skills: is a number; true, false or a list is expected"),
        ("temperature: 1", "3: agents.r: unknown key 'temperature'"),
        ("toolsets: [{type: think, defer: 1}]",
         "3: agents.r.toolsets[0].defer: is a number; true or false or a list is expected"),
        ("max_iterations: 99999999999999999999",
         "3: agents.r.max_iterations: 99999999999999999999 is a number; "
         "a whole number is expected"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused(key: str, said: str) -> None:
    """agent-file.md §1.4."""
    complaints(f"agents:\n  r:\n    {key}\n    model: a/b\n", said)


@requirement("file:1.4:null")
def test_null_is_the_same_as_absent() -> None:
    """agent-file.md §1.4."""
    file = read("""
        version: null
        models: ~
        providers:
        agents:
          root: {model: a/b, description: null, toolsets: , fallback: ~, add_date: null}
    """)
    agent = file.agents[0]
    assert (agent.description, agent.toolsets, agent.fallback, agent.add_date) == (
        "",
        (),
        None,
        False,
    )


@requirement("file:1.4:text-as-written")
def test_scalars_are_texts_as_written_where_a_text_is_expected() -> None:
    """agent-file.md §1.4 and §11, test 5."""
    file = read("""
        version: 12
        agents: {on: {model: a/on, description: 0x1F, welcome_message: 1.50, instruction: True}}
    """)
    agent = file.agents[0]
    assert (agent.name, agent.models, agent.description) == ("on", ("a/on",), "0x1F")
    assert (agent.welcome_message, agent.instruction) == ("1.50", "True")


@requirement("file:8:E8")
def test_a_name_of_an_agent_is_a_text() -> None:
    """agent-file.md §1.4."""
    complaints(
        "agents:\n  root: {model: a/b}\n  1: {model: a/b}\n",
        "3: agents: '1' is no name; agent names must be texts, so put it in quotes",
    )
    assert read("agents: {'1': {model: a/b}}").agents[0].name == "1"


@requirement("file:1.3:agent-name-ignored")
def test_a_name_inside_an_agent_is_ignored() -> None:
    """agent-file.md §1.4: the map key is the name."""
    assert read("agents: {root: {name: other, model: a/b}}").agents[0].name == "root"
