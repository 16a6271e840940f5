"""Shared toolsets, MCP servers, rag sources, commands and skills, merged into agents."""

from __future__ import annotations

from docker_agent.config.agent_file import Command
from tests.config.reading import read, read_agent
from tests.requirements import requirement


@requirement("file:2.1:use-toolsets")
def test_named_toolsets_come_behind_the_agents_own() -> None:
    """agent-file.md §2.1, step 4."""
    agent = read_agent("""
        agents:
          root:
            model: a/b
            toolsets: [{type: think}]
            use_toolsets: [files, web]
        toolsets:
          web: {type: fetch, timeout: 5}
          files: {type: filesystem, readonly: true}
    """)
    assert [toolset.type for toolset in agent.toolsets] == ["think", "filesystem", "fetch"]
    assert agent.toolsets[1].readonly
    assert agent.toolsets[2].options.plain() == {"timeout": 5}
    assert agent.toolsets[2].options.path == "toolsets.web"


@requirement("file:2.10:mcps")
def test_an_mcp_definition_gives_what_the_toolset_does_not_say() -> None:
    """agent-file.md §2.10: the fields that are inherited, and those that are not."""
    agent = read_agent("""
        agents:
          root:
            model: a/b
            toolsets:
              - type: mcp
                ref: github
                tools: [one]
                env: {A: own}
        mcps:
          github:
            command: npx
            args: [x]
            version: "1"
            name: gh
            instruction: use it
            tools: [one, two]
            defer: true
            working_dir: ./w
            env: {A: theirs, B: theirs}
            toon: all
            readonly: true
            model: a/b
            lifecycle: {required: true}
    """)
    toolset = agent.toolsets[0]
    assert toolset.options.plain() == {
        "command": "npx",
        "args": ["x"],
        "version": "1",
        "working_dir": "./w",
        "env": {"A": "own", "B": "theirs"},
    }
    assert (toolset.name, toolset.instruction, toolset.tools) == ("gh", "use it", ("one",))
    assert toolset.defer is True
    assert (toolset.toon, toolset.readonly, toolset.model) == ("", False, "")


@requirement("file:2.10:mcps")
def test_a_ref_into_the_catalogue_stays_and_one_in_a_definition_replaces() -> None:
    """agent-file.md §2.10."""
    agent = read_agent("""
        agents:
          root:
            model: a/b
            toolsets: [{type: mcp, ref: "docker:duck"}, {type: mcp, ref: gh, name: own}]
        mcps:
          gh: {ref: "docker:github-official"}
    """)
    assert agent.toolsets[0].options.plain() == {"ref": "docker:duck"}
    assert agent.toolsets[1].options.plain() == {"ref": "docker:github-official"}
    assert agent.toolsets[1].name == "own"


@requirement("file:2.11:rag")
def test_a_rag_source_gives_its_configuration_and_a_name() -> None:
    """agent-file.md §2.11: the final name falls back to the key."""
    agent = read_agent("""
        agents:
          root:
            model: a/b
            toolsets: [{type: rag, ref: docs, tools: [t]}, {type: rag, ref: named}]
        rag:
          docs: {docs: [./d], instruction: look, tools: [x], strategies: [{type: bm25}]}
          named: {name: search, docs: [./n]}
    """)
    first, second = agent.toolsets
    assert (first.name, first.instruction, first.tools) == ("docs", "look", ("t",))
    assert second.name == "search"
    config = second.options.get("rag_config")
    assert config is not None
    assert config.plain() == {"name": "search", "docs": ["./n"]}


@requirement("file:2.6:commands")
def test_the_first_command_of_a_name_wins() -> None:
    """agent-file.md §2.1, step 7, and §2.6."""
    agent = read_agent("""
        agents:
          root:
            model: a/b
            commands: {fix: mine}
            use_commands: [one, two]
        commands:
          one: [{fix: theirs}, {plan: {description: make a plan}}]
          two: {plan: other, open: {url: "http://h", agent: root}, odd: {instruction: i, more: 1}}
    """)
    assert agent.merged_commands == {
        "fix": Command(instruction="mine"),
        "plan": Command(instruction="make a plan", description="make a plan"),
        "open": Command(url="http://h", agent="root"),
        "odd": Command(instruction="i"),
    }


@requirement("file:2.5:skills")
def test_skills_are_joined_keeping_their_order() -> None:
    """agent-file.md §2.1, step 8, and §2.5."""
    file = read("""
        agents:
          none: {model: a/b}
          off: {model: a/b, skills: false}
          on: {model: a/b, skills: true}
          root:
            model: a/b
            skills:
              - pdf
              - {name: s, description: mine, instructions: i}
            use_skills: [group]
        skills:
          group:
            - https://host
            - local
            - pdf
            - docx
            - {name: s, description: theirs, instructions: i}
            - {name: t, description: theirs, instructions: i}
    """)
    none, off, on, root = (agent.merged_skills for agent in file.agents)
    assert not none
    assert not off
    assert (on.sources, on.names) == (("local",), ())
    assert root.sources == ("local", "https://host")
    assert root.names == ("pdf", "docx")
    assert [(skill.name, skill.description) for skill in root.inline] == [
        ("s", "mine"),
        ("t", "theirs"),
    ]


@requirement("file:2.5:skills")
def test_inline_skills_alone_bring_no_source() -> None:
    """agent-file.md §2.5."""
    agent = read_agent("""
        agents:
          root: {model: a/b, skills: [{name: s, description: d, instructions: i}]}
    """)
    assert agent.merged_skills.sources == ()
    assert agent.merged_skills
