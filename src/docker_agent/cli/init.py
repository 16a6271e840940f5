"""`docker-agent init`: writes a first agent file, with comments that say what could be changed."""

from __future__ import annotations

from pathlib import Path

import click

from docker_agent.errors import ConfigError

_YAML = """\
# An agent file. Look at it:  docker-agent check {file}
#                Talk to it:  docker-agent chat {file}
#                  Serve it:  docker-agent serve chat {file}
#
# For completion and checks while you type, write the schema beside this file,
#   docker-agent schema > agent-schema.json
# and make this the first line:
#   # yaml-language-server: $schema=./agent-schema.json
version: "12"

agents:
  # The agent that answers when a request names none. Every agent is a model of the server.
  root:
    # provider/model, such as openai/gpt-5.6, anthropic/claude-sonnet-4-6, ollama/llama3.2 or
    # local/smollm2, which needs no key. `auto` takes the first provider whose key is set.
    model: {model}
    description: A helpful assistant.
    instruction: |
      You are a helpful assistant. Answer in a few sentences.
      When a question is about files, look at them first.
    add_date: true
    # What it may use. `docker-agent check` shows the tools, and which a safety mode refuses.
    toolsets:
      - type: think
      - type: filesystem
        readonly: true
        # allow_list: [./docs]
      # - type: shell
    # Agents of this file that it may give tasks to:
    # sub_agents: [helper]

  # helper:
  #   model: {model}
  #   description: What the others are told about it.
  #   instruction: You look things up.

# A model with settings of its own, to be named by agents as `careful`:
# models:
#   careful:
#     provider: openai
#     model: gpt-5.6
#     temperature: 0.2

# Tool calls that never run, whatever a model wants:
# permissions:
#   deny: ["read_file:path=*.key"]
"""

_HCL = """\
# An agent file. Look at it:  docker-agent check {file}
#                Talk to it:  docker-agent chat {file}
#                  Serve it:  docker-agent serve chat {file}
version = "12"

# The agent that answers when a request names none. Every agent is a model of the server.
agent "root" {{
  # provider/model, such as openai/gpt-5.6, anthropic/claude-sonnet-4-6, ollama/llama3.2 or
  # local/smollm2, which needs no key. "auto" takes the first provider whose key is set.
  model       = "{model}"
  description = "A helpful assistant."
  instruction = <<-EOT
    You are a helpful assistant. Answer in a few sentences.
    When a question is about files, look at them first.
  EOT
  add_date    = true

  # What it may use. `docker-agent check` shows the tools, and which a safety mode refuses.
  toolset "think" {{}}
  toolset "filesystem" {{
    readonly = true
  }}
}}

# Tool calls that never run, whatever a model wants:
# permissions {{
#   deny = ["read_file:path=*.key"]
# }}
"""
_FORMS = {".yaml": _YAML, ".yml": _YAML, ".hcl": _HCL}


@click.command()
@click.argument("file", default="agent.yaml", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="auto",
    show_default=True,
    metavar="PROVIDER/MODEL",
    help="The agent's model.",
)
def init(file: Path, model: str) -> None:
    """Write a first agent file, with comments, to FILE (agent.yaml when none is given).

    A name that ends in .hcl gets the HCL form. A file that is there is never overwritten.
    """
    form = _FORMS.get(file.suffix.lower())
    if form is None:
        raise ConfigError(f"{file}: an agent file is called *.yaml or *.hcl", usage=True)
    text = form.format(file=file, model=_checked(model))
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise ConfigError(f"{file} is there already; name another file") from None
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be written: {exc.strerror or exc}") from exc
    click.echo(f"{file} is written. Next: docker-agent check {file}", err=True)


def _checked(model: str) -> str:
    provider, slash, name = model.partition("/")
    plain = all(character.isalnum() or character in "/._:-@" for character in model)
    if model != "auto" and not (slash and provider and name and plain):
        raise ConfigError(
            f"--model {model}: write provider/model, such as ollama/llama3.2", usage=True
        )
    return model
