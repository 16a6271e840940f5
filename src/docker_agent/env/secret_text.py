"""Secrets inside a text: keys, tokens and private keys by their known shapes, replaced by a marker.
Pure.

Most texts hold none, and are told apart fast: a secret is a long word. Only long words are looked
at for the beginnings of known shapes, and only then a regular expression runs.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

MARKER = "[REDACTED]"

MIN_WORD = 16
"""Characters of the shortest word that may hold a secret."""

PRIVATE_KEY = "-----BEGIN"
PRIVATE_KEY_END = "-----END"
"""Around a key in PEM, the one kind of secret that has lines."""

_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf]))"
"""The beginning of a word, also right after an escaped line break inside JSON."""
_AFTER = r"(?![A-Za-z0-9])"


class Shape(msgspec.Struct, frozen=True):
    """One kind of secret. `starts` are texts of which one must occur, `pattern` finds the whole; a
    group `kept` in it stands before the secret and stays."""

    name: str
    starts: tuple[str, ...]
    pattern: str
    put: str = MARKER


def _shape(name: str, starts: str, body: str, *, bare: bool = True) -> Shape:
    pattern = f"{_BEFORE}{body}{_AFTER}" if bare else body
    put = r"\g<kept>" + MARKER if "(?P<kept>" in body else MARKER
    return Shape(name, tuple(starts.split()), pattern, put)


SHAPES: tuple[Shape, ...] = (
    _shape(
        "private key",
        PRIVATE_KEY,
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        bare=False,
    ),
    _shape("AWS key id", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _shape(
        "AWS secret key",
        "SECRET_ACCESS_KEY secret_access_key SecretAccessKey secretAccessKey",
        r"(?P<kept>(?i:secret_?access_?key)[\"']?\s*[:=]\s*[\"']?)[A-Za-z0-9/+]{40}",
    ),
    _shape("AWS Bedrock key", "ABSK", r"ABSK[A-Za-z0-9+/]{100,}={0,2}"),
    _shape("Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _shape("Google OAuth token", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    _shape("Google OAuth secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    _shape(
        "Azure storage key",
        "AccountKey= SharedAccessKey=",
        r"(?P<kept>(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/]{40,}={0,2}",
    ),
    _shape("Azure client secret", "8Q~ 7Q~", r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"),
    _shape("Alibaba key id", "LTAI", r"LTAI[A-Za-z0-9]{12,20}"),
    _shape("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _shape("Fly.io token", "FlyV1 fm2_ fo1_", r"(?:fm2_|fo1_)[A-Za-z0-9+/=_-]{40,}"),
    _shape("Heroku key", "HRKU-", r"HRKU-[A-Za-z0-9_-]{36,}"),
    _shape("Vercel token", "vcp_ vci_ vca_", r"vc[pia]_[A-Za-z0-9]{24,}"),
    _shape("Cloudflare key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _shape(
        "GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"gh[pousr]_[A-Za-z0-9]{30,255}",
    ),
    _shape("GitHub fine-grained token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    _shape(
        "GitLab token",
        "glpat- gldt- glrt- glcbt- glptt- gloas- glsoat- glft-",
        r"gl(?:pat|dt|rt|cbt|ptt|oas|soat|ft)-[A-Za-z0-9_.-]{20,}",
    ),
    _shape("Bitbucket token", "ATBB ATCTT", r"(?:ATBB|ATCTT)[A-Za-z0-9_=-]{24,}"),
    _shape("Atlassian token", "ATATT", r"ATATT[A-Za-z0-9_=-]{30,}"),
    _shape("Slack token", "xox", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    _shape("Slack app token", "xapp-", r"xapp-\d-[A-Za-z0-9-]{20,}"),
    _shape(
        "Slack webhook",
        "hooks.slack.com",
        r"(?P<kept>hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/+_-]{20,}",
    ),
    _shape(
        "Discord webhook",
        "api/webhooks/",
        r"(?P<kept>discord(?:app)?\.com/api/webhooks/)\d{16,20}/[A-Za-z0-9_-]{60,}",
    ),
    _shape(
        "Discord bot token",
        "MT Mz Nj NT OD OT",
        r"[MNO][A-Za-z\d_-]{23,28}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,}",
    ),
    _shape(
        "Teams webhook",
        ".webhook.office.com",
        r"(?P<kept>\.webhook\.office\.com/webhookb2/)[A-Za-z0-9@/_-]{40,}",
    ),
    _shape("Telegram bot token", ":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{32,34}"),
    _shape("OpenAI or Anthropic key", "sk-", r"sk-[A-Za-z0-9_-]{20,}"),
    _shape("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    _shape("xAI key", "xai-", r"xai-[A-Za-z0-9]{60,}"),
    _shape("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    _shape("Hugging Face token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z]{30,}"),
    _shape("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _shape("NVIDIA key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{60,}"),
    _shape("Tavily key", "tvly-", r"tvly-[A-Za-z0-9-]{20,}"),
    _shape("Docker token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[A-Za-z0-9_-]{20,}"),
    _shape("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _shape("RubyGems key", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    _shape("crates.io token", "cio", r"cio[A-Za-z0-9]{32}"),
    _shape("NuGet key", "oy2", r"oy2[a-z0-9]{43}"),
    _shape("Stripe key", "k_live_ k_test_", r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
    _shape("Square token", "sq0 EAAA", r"(?:sq0[a-z]{3}-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60})"),
    _shape("PayPal token", "access_token$", r"access_token\$production\$[a-z0-9]+\$[a-f0-9]{32}"),
    _shape("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _shape("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _shape("Mailgun key", "key-", r"key-[a-f0-9]{32}"),
    _shape("Mailchimp key", "-us", r"[a-f0-9]{32}-us\d{1,2}"),
    _shape("Brevo key", "xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    _shape("Twilio key", "SK", r"SK[a-f0-9]{32}"),
    _shape("Vault token", "hvs. hvb. hvr.", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    _shape("Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    _shape("Pulumi token", "pul-", r"pul-[a-f0-9]{40}"),
    _shape("Databricks token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _shape("PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{30,}"),
    _shape("Supabase key", "sbp_ sb_secret_", r"(?:sbp_|sb_secret_)[A-Za-z0-9_-]{30,}"),
    _shape("Grafana token", "glsa_ glc_", r"(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[\w+/=]{32,})"),
    _shape("New Relic key", "NRAK- NRII- NRJS-", r"NR(?:AK|II|JS)-[A-Za-z0-9_-]{19,}"),
    _shape("Sentry token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    _shape("Datadog key", "DD_API_KEY dd_api_key", r"(?P<kept>(?i:dd_api_key)\s*[:=]\s*)\w{32}"),
    _shape("Postman key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _shape("Figma token", "figd_", r"figd_[A-Za-z0-9_-]{36,}"),
    _shape("Linear key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    _shape("Notion token", "ntn_ secret_", r"(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43})"),
    _shape("Airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _shape("Tailscale key", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9-]{16,}"),
    _shape("1Password token", "ops_eyJ A3-", r"(?:ops_eyJ[\w=-]{100,}|A3(?:-[A-Z0-9]{5,6}){6})"),
    _shape("age key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _shape(
        "JSON Web Token",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    _shape(
        "password in an address",
        "://",
        r"(?P<kept>://[^\s/:@\"'<>]{0,200}:)[^\s/:@\"'<>]{3,200}(?=@)",
        bare=False,
    ),
    _shape(
        "variable that holds a secret",
        "_KEY= _TOKEN= _SECRET= PASSWORD= PASSWD= _KEY: _TOKEN: _SECRET: PASSWORD:",
        r"(?P<kept>\b[A-Z][A-Z0-9_]{0,60}(?:_KEY|_TOKEN|_SECRET|PASSWORD|PASSWD)"
        r"(?:=|:\s?)[\"']?)(?!\$|\[REDACTED)[^\s\"'`;,&|<>(){}\[\]]{8,}",
        bare=False,
    ),
)


def redact(text: str) -> str:
    """`text` with every secret replaced by `MARKER`; the very object when it holds none."""
    suspects = _suspects(text)
    if not suspects:
        return text
    for shape in SHAPES:
        for start in shape.starts:
            if start in suspects:
                text = _compiled(shape.pattern).sub(shape.put, text)
                break
    return text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Most patterns are never needed, so none is compiled before it is."""
    return re.compile(pattern, re.DOTALL)


def _suspects(text: str) -> str:
    """The long words, each with the one before it, which may name what it holds; empty for none."""
    if len(text) < MIN_WORD:
        return ""
    words = text.split()
    found = [
        f"{before} {word}"
        for before, word in zip(("", *words), words, strict=False)
        if len(word) >= MIN_WORD
    ]
    if PRIVATE_KEY in text:
        found.append(PRIVATE_KEY)
    return "\n".join(found)
