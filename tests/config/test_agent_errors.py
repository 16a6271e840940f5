"""What is wrong with agents is said with file, line and path."""

from __future__ import annotations

import pytest

from tests.config.reading import complaints, read
from tests.requirements import requirement


@requirement("file:8:E10")
@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("description: x", "3: agents.r.model: is missing or empty; every agent needs a model"),
        ("model: ''", "3: agents.r.model: is missing or empty; every agent needs a model"),
        ("model: ' , '", "3: agents.r.model: is missing or empty; every agent needs a model"),
    ],
)
def test_an_agent_needs_a_model(agent: str, said: str) -> None:
    """agent-file.md §2.3."""
    complaints(f"agents:\n  r:\n    {agent}\n", said)


@requirement("file:8:E10")
def test_an_agent_with_a_harness_needs_none() -> None:
    """agent-file.md §2.3."""
    agent = read("agents: {r: {harness: {type: codex}}}").agents[0]
    assert agent.models == ()


@requirement("file:8:E22", "file:8:E23", "file:8:E24")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("sub_agents: [othre]",
         "4: agents.r.sub_agents[0]: agent 'r' references non-existent agent 'othre'; "
         "did you mean 'other'?"),
        ("handoffs: [other, x:y]",
         "4: agents.r.handoffs[1]: agent 'r' references non-existent agent 'x:y'"),
        ("force_handoff: nobody",
         "4: agents.r.force_handoff: agent 'r' references non-existent agent 'nobody'"),
        ("force_handoff: r", "4: agents.r.force_handoff: agent 'r' cannot hand off to itself"),
        ("force_handoff: other",
         "4: agents.r.force_handoff: force_handoff goes in a cycle involving agent 'r': "
         "r → other → r"),
        ("sub_agents: [org/other]",
         "4: agents.r.sub_agents[0]: the agent of 'org/other' would be called 'other' as one here; "
         "give it another name: 'name:org/other'"),
    ],
)  # fmt: skip
def test_a_reference_to_an_agent_leads_somewhere(keys: str, said: str) -> None:
    """agent-file.md §2.3 and §5.6."""
    complaints(
        f"agents:\n  r:\n    model: a/b\n    {keys}\n  other: {{model: a/b, force_handoff: r}}\n",
        said,
    )


@requirement("file:8:E24")
def test_a_circle_is_found_behind_a_chain_that_leads_into_it() -> None:
    """agent-file.md §2.3."""
    complaints(
        """
        agents:
          a: {model: x/y, force_handoff: b}
          b: {model: x/y, force_handoff: c}
          c: {model: x/y, force_handoff: b}
        """,
        "3: agents.b.force_handoff: force_handoff goes in a cycle involving agent 'b': b → c → b",
    )


@requirement("file:2.12:hooks")
def test_an_odd_regular_expression_of_a_matcher_is_accepted_in_silence() -> None:
    """agent-file.md §2.12b; warnings are errors in tests."""
    complaints(
        """
        agents:
          r:
            model: a/b
            hooks: {pre_tool_use: {matcher: "[[a]", hooks: {type: command, command: x}}}
        """
    )


@requirement("file:8:E24")
def test_a_chain_of_forced_handoffs_that_ends_is_accepted() -> None:
    """agent-file.md §2.3."""
    file = read("""
        agents:
          a: {model: x/y, force_handoff: b}
          b: {model: x/y, force_handoff: c}
          c: {model: x/y, force_handoff: "https://host/d.yaml"}
    """)
    assert [agent.force_handoff for agent in file.agents] == ["b", "c", "https://host/d.yaml"]


@requirement("file:8:E26")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("use_toolsets: [tool]",
         "4: agents.r.use_toolsets[0]: agent 'r' references non-existent toolset 'tool'; "
         "did you mean 'tools'?"),
        ("use_commands: [x]",
         "4: agents.r.use_commands[0]: agent 'r' references non-existent command group 'x'"),
        ("use_skills: [x]",
         "4: agents.r.use_skills[0]: agent 'r' references non-existent skill group 'x'"),
        ("toolsets: [{type: mcp, ref: x}]",
         "4: agents.r.toolsets[0].ref: agent 'r' references non-existent MCP server 'x'"),
        ("toolsets: [{type: rag, ref: x}]",
         "4: agents.r.toolsets[0].ref: agent 'r' references non-existent rag source 'x'"),
        ("skills: [{name: a, description: b, instructions: c, context: fork, toolsets: [x]}]",
         "4: agents.r.skills[0].toolsets[0]: agent 'r' references non-existent toolset 'x'"),
    ],
)  # fmt: skip
def test_a_reference_to_a_shared_definition_leads_somewhere(keys: str, said: str) -> None:
    """agent-file.md §2.1, steps 4 to 9."""
    complaints(
        f"agents:\n  r:\n    model: a/b\n    {keys}\ntoolsets:\n  tools: {{type: think}}\n", said
    )


@requirement("file:8:E27")
def test_the_ref_of_an_mcp_definition_names_the_catalogue() -> None:
    """agent-file.md §2.10."""
    complaints(
        "mcps:\n  a:\n    ref: other\n  b:\n    ref: docker:github\n",
        "3: mcps.a.ref: must begin with 'docker:'; the definitions of mcps name no others",
    )


@requirement("file:8:E29", "file:2.5:skills")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "skills: is a text; true, false or a list is expected"),
        ("[[x]]", "skills[0]: must be 'local', an address, the name of a skill, or a skill"),
        ("[{name: a, description: b}]", "skills[0]: the key 'instructions' is missing or blank"),
        ("[{name: a, description: b, instructions: c, tool: x}]",
         "skills[0]: unknown key 'tool'; did you mean 'toolsets'?"),
        ("[{name: a, description: b, instructions: c, allowed_tools: [x]}]",
         "skills[0].allowed_tools: needs 'context: fork'"),
        ("[{name: a, description: b, instructions: c}, {name: a, description: b, instructions: c}]",
         "skills[1].name: the skill 'a' is already defined"),
    ],
)  # fmt: skip
def test_skills_are_checked(value: str, said: str) -> None:
    """agent-file.md §2.5."""
    complaints(f"agents:\n  r:\n    model: a/b\n    skills: {value}\n", f"4: agents.r.{said}")


@requirement("file:8:E30")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{fix: [a]}", "fix: command 'fix' is a list; a text or a mapping is expected"),
        ("{fix: {}}",
         "fix: command 'fix' is empty; it needs an instruction, description, agent or url"),
    ],
)  # fmt: skip
def test_commands_are_checked(value: str, said: str) -> None:
    """agent-file.md §2.6."""
    complaints(
        f"agents:\n  r:\n    model: a/b\n    commands: {value}\n", f"4: agents.r.commands.{said}"
    )
    complaints(f"commands:\n  group: {value}\n", f"2: commands.group.{said}")


@requirement("file:8:E31", "file:2.12:hooks")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("stop: [{command: x}]", "stop[0]: the key 'type' is missing"),
        ("stop: [{type: script, command: x}]",
         "stop[0].type: 'script' is not possible here; use one of command, builtin, model"),
        ("stop: {type: builtin}", "stop[0]: a hook of type builtin needs the key 'command'"),
        ("stop: [{type: model, model: a/b}]",
         "stop[0]: a hook of type model needs the key 'prompt'"),
        ("pre_tool_use: [{matcher: x}]",
         "pre_tool_use[0]: at least one entry in 'hooks' is needed"),
        ("pre_tool_use: {matcher: '(', hooks: {type: command, command: x}}",
         "pre_tool_use[0].matcher: is no regular expression: missing ), unterminated subpattern at "
         "position 0"),
        ("tool_guard: []", "hooks: unknown key 'tool_guard'"),
    ],
)  # fmt: skip
def test_hooks_are_checked(value: str, said: str) -> None:
    """agent-file.md §2.12b."""
    path = "agents.r." if said.startswith("hooks") else "agents.r.hooks."
    complaints(f"agents:\n  r:\n    model: a/b\n    hooks:\n      {value}\n", f"5: {path}{said}")


@requirement("file:8:E32")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{}", ": the key 'type' is missing"),
        ("{type: claude}", ".type: 'claude' is not possible here; did you mean 'claude-code'?"),
        ("{type: pi, effort: low}", ".effort: can only be used with type claude-code"),
        ("{type: pi, agent: x}", ".agent: can only be used with type opencode"),
    ],
)
def test_a_harness_is_checked(value: str, said: str) -> None:
    """agent-file.md §2.4."""
    complaints(f"agents:\n  r:\n    harness: {value}\n", f"3: agents.r.harness{said}")
