"""Which variables a model needs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from docker_agent.config.required import required_variables
from tests.config.reading import read
from tests.requirements import requirement

NEEDS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "ollama": (),
    "cloudflare-workers-ai": ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"),
}
VERTEX = {"GOOGLE_GENAI_USE_VERTEXAI": "1"}
AUTH = (
    "auth: {type: workload_identity_federation, workload_identity_federation: "
    "{federation_rule_id: fdrl_1, organization_id: o, identity_token: "
)


@requirement("file:6.4:rules")
@pytest.mark.parametrize(
    ("model", "env", "names"),
    [
        ("{provider: openai, model: x}", {}, ["OPENAI_API_KEY"]),
        ("{provider: groq, model: x}", {}, ["GROQ_API_KEY"]),
        ("{provider: ollama, model: x}", {}, []),
        ("{provider: cloudflare-workers-ai, model: x}", {},
         ["CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN"]),
        ("{provider: anthropic, model: x}", {}, ["ANTHROPIC_API_KEY"]),
        ("{provider: google, model: x}", {}, ["GOOGLE_API_KEY"]),
        ("{provider: google, model: x}", {"GEMINI_API_KEY": "k"}, []),
        ("{provider: google, model: x}", VERTEX, ["GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_PROJECT"]),
        ("{provider: google, model: x, provider_opts: {project: p}}", {}, []),
        ("{provider: dmr, model: x}", {}, []),
        ("{provider: amazon-bedrock, model: x}", {}, []),
        ("{provider: openai, model: x, token_key: MINE}", {}, ["MINE"]),
        ("{provider: openai, model: x, base_url: 'http://h'}", {}, []),
        ("{provider: openai, model: '${M}', base_url: 'http://${H}/$P'}", {}, ["H", "M", "P"]),
        ("{provider: groq, model: x, base_url: 'http://$H', token_key: MINE}", {}, ["H", "MINE"]),
        ("{provider: keyed, model: x}", {}, ["KEYED"]),
        ("{provider: keyless, model: x}", {}, ["HOST"]),
        ("{provider: like-groq, model: x}", {}, ["GROQ_API_KEY"]),
        ("{provider: like-claude, model: x}", {}, ["ANTHROPIC_API_KEY"]),
        ("{provider: keyed, model: x, base_url: 'http://h'}", {}, []),
        ("{provider: keyed, model: x, token_key: MINE}", {}, ["MINE"]),
        (f"{{provider: anthropic, model: x, {AUTH}{{env: TOKEN}}}}}}}}", {}, ["TOKEN"]),
        (f"{{provider: anthropic, model: x, {AUTH}{{url: 'http://$H', headers: {{A: '${{B}}'}}}}"
         "}}}", {}, ["B", "H"]),
        ("{provider: groq, model: x, routing: [{model: openai/y}, {model: other}]}", {},
         ["GROQ_API_KEY", "OPENAI_API_KEY", "OTHER"]),
        ("{model: 'openai/x, other'}", {}, ["OPENAI_API_KEY", "OTHER"]),
        ("{first_available: [openai/x]}", {}, []),
    ],
)  # fmt: skip
def test_a_model_needs_these_variables(model: str, env: dict[str, str], names: list[str]) -> None:
    """agent-file.md §6.4 and §11, test 10: the first rule that applies."""
    file = read(f"""
        models:
          m: {model}
          other: {{provider: openai, model: x, token_key: OTHER}}
        providers:
          keyed: {{base_url: "http://h", token_key: KEYED}}
          keyless: {{base_url: "http://$HOST"}}
          like-groq: {{provider: groq}}
          like-claude: {{provider: anthropic}}
    """)
    assert list(required_variables(file, "m", NEEDS, env.get)) == names


@requirement("file:6.4:rules")
def test_auto_needs_nothing_here() -> None:
    """agent-file.md §6.4: not covered."""
    assert required_variables(read("agents: {r: {model: auto}}"), "auto", NEEDS) == ()
