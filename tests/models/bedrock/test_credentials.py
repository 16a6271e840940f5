"""AWS credentials: found, kept, renewed, never waited for by anybody else; and what they sign."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from docker_agent.errors import ModelError
from docker_agent.models import bedrock_credentials
from docker_agent.models.bedrock import Bedrock
from docker_agent.models.bedrock_credentials import Account, Credentials, Keys, Signed
from docker_agent.models.errors import HttpError
from docker_agent.models.http import open_http
from docker_agent.models.port import Model as Port
from docker_agent.models.scrub import Unshown
from tests.models.bedrock.asking import CARD, settings_for
from tests.models.talking import HI, Told
from tests.requirements import requirement
from tests.scripted.aws import Grants, granting
from tests.scripted.bedrock import KEY, SECRET, BedrockServer
from tests.scripted.bedrock_parts import reject
from tests.scripted.heard import Model
from tests.scripted.parts import say

pytestmark = pytest.mark.anyio

REGION = "us-west-2"
STATIC = Account(REGION, Keys(KEY, SECRET))
ROLE = "arn:aws:iam::123456789012:role/bedrock"


@pytest.fixture
def grants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Grants]:
    """Scripted services, and a machine that knows of nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with granting() as grants:
        grants.keys[KEY] = (SECRET, "")
        for name, value in {
            "HOME": str(tmp_path),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_ENDPOINT_URL_STS": grants.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{grants.url}/",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        yield grants
        assert grants.faults == []


@asynccontextmanager
async def signing(
    bedrock: BedrockServer, model: Model, account: Account
) -> AsyncGenerator[tuple[Port, Credentials, list[str]]]:
    """A model whose requests are signed."""
    async with open_http() as http:
        minted: list[str] = []
        credentials = Credentials(account, minted)
        settings = settings_for(bedrock, model, headers={}, secrets=Unshown(minted=minted))
        yield Bedrock(Signed(http, account, credentials), settings, CARD), credentials, minted


async def asked(model: Port) -> str:
    """The text of one answer."""
    told = Told()
    with anyio.fail_after(20):
        await model.reply(HI, told.hear)
    return told.text


@requirement("models:bedrock:signing")
async def test_a_request_is_signed_as_the_service_wants_it(
    bedrock: BedrockServer, model: Model
) -> None:
    """agent-file.md §3.2.2: SigV4; the scripted server checks it as it checks the vendor's own."""
    async with signing(bedrock, model, STATIC) as (live, _, minted):
        assert [await asked(live), await asked(live)] == ["hi", "hi"]
        assert minted == [KEY, SECRET]
    headers = model.heard[0].headers
    assert f"Credential={KEY}/" in headers["authorization"]
    assert f"/{REGION}/bedrock/aws4_request" in headers["authorization"]
    assert "x-amz-security-token" not in headers
    assert "%3A" in model.heard[0].path


@requirement("models:bedrock:signing")
async def test_wrong_keys_are_an_error_that_shows_none(
    bedrock: BedrockServer, model: Model
) -> None:
    """runtime.md §4.3: the scripted service answers with all headers it got, token included."""
    account = Account(REGION, Keys("AKIAWRONG", "wrong-secret", "session-token"))
    async with signing(bedrock, model, account) as (live, _, _):
        with pytest.raises(ModelError, match="security token") as failed:
            await asked(live)
    assert (failed.value.kind, failed.value.transient) == ("model_error", False)
    assert not [text for text in ("AKIAWRONG", "session-token") if text in str(failed.value)]
    assert "wrong-secret" not in repr(account)


@requirement("models:bedrock:credentials")
async def test_a_profile_of_the_users_files_is_found(
    bedrock: BedrockServer, model: Model, grants: Grants, tmp_path: Path
) -> None:
    """agent-file.md §3.7: `profile`; without one, the default chain with its default profile."""
    text = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / "credentials").write_text(f"[default]\n{text}[work]\n{text}")
    for account in (Account(REGION), Account(REGION, profile="work")):
        async with signing(bedrock, model, account) as (live, _, _):
            assert await asked(live) == "hi"
    async with signing(bedrock, model, Account(REGION, profile="nobody")) as (live, _, _):
        with pytest.raises(ModelError, match="ProfileNotFound") as failed:
            await asked(live)
    assert failed.value.transient is False


@requirement("models:bedrock:credentials")
async def test_nothing_found_says_what_to_do(
    bedrock: BedrockServer, model: Model, grants: Grants
) -> None:
    """STYLE.md: what was wrong, and what would be right."""
    async with signing(bedrock, model, Account(REGION)) as (live, _, _):
        with pytest.raises(ModelError, match="no AWS credentials were found; set AWS_BEARER"):
            await asked(live)


@requirement("models:bedrock:credentials")
async def test_a_role_is_taken_on_once_for_many_requests(
    bedrock: BedrockServer, model: Model, grants: Grants
) -> None:
    """agent-file.md §3.7: role_arn, role_session_name, external_id; kept until they end."""
    bedrock.keys["ASIAGRANTED0"] = ("granted-secret-0", "token-0")
    account = msgspec.structs.replace(
        STATIC, role_arn=ROLE, role_session_name="mine", external_id="ext"
    )
    async with signing(bedrock, model, account) as (live, _, minted):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(asked, live)
        assert await asked(live) == "hi"
        assert minted == ["ASIAGRANTED0", "granted-secret-0", "token-0"]
    assert len(grants.asked) == 1
    given = grants.asked[0]
    assert (given["RoleArn"], given["RoleSessionName"], given["ExternalId"]) == (
        ROLE, "mine", "ext",
    )  # fmt: skip
    assert model.heard[0].headers["x-amz-security-token"] == "token-0"


@requirement("models:bedrock:credentials")
async def test_a_role_that_is_refused_is_told_without_the_account(
    bedrock: BedrockServer, model: Model, grants: Grants, caplog: pytest.LogCaptureFixture
) -> None:
    """chat-server.md §4: the client learns the kind, the operator's log the rest."""
    grants.refuse = True
    account = msgspec.structs.replace(STATIC, role_arn=ROLE)
    async with signing(bedrock, model, account) as (live, _, _):
        with pytest.raises(ModelError, match=r"could not be obtained \(AccessDenied\)") as failed:
            await asked(live)
    assert "sts:AssumeRole" not in str(failed.value)
    assert "not authorized to sts:AssumeRole" in caplog.text
    assert SECRET not in caplog.text


@requirement("models:bedrock:credentials")
async def test_the_metadata_of_a_machine_has_credentials(
    bedrock: BedrockServer, model: Model, grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agent-file.md §3.2.2: the end of the default chain."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    bedrock.keys["ASIAGRANTED0"] = ("granted-secret-0", "token-0")
    async with signing(bedrock, model, Account(REGION)) as (live, _, _):
        assert await asked(live) == "hi"
    assert model.heard[0].headers["x-amz-security-token"] == "token-0"


@requirement("models:bedrock:credentials")
async def test_credentials_are_renewed_before_they_end(
    bedrock: BedrockServer, model: Model, grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that end soon are renewed beside the requests, which go on with the old ones."""
    monkeypatch.setattr(bedrock_credentials, "RENEWAL_PAUSE", 0.0)
    for number in range(2):
        bedrock.keys[f"ASIAGRANTED{number}"] = (f"granted-secret-{number}", f"token-{number}")
    grants.life = 300
    account = msgspec.structs.replace(STATIC, role_arn=ROLE)
    async with signing(bedrock, model, account) as (live, credentials, minted):
        assert await asked(live) == "hi"
        grants.life = 3600
        grants.free.clear()
        grants.reached.clear()
        assert await asked(live) == "hi"
        assert await anyio.to_thread.run_sync(grants.reached.wait, 10)
        assert await asked(live) == "hi"
        grants.free.set()
        await changed(credentials, "ASIAGRANTED0")
        assert await asked(live) == "hi"
    tokens = [heard.headers["x-amz-security-token"] for heard in model.heard]
    assert tokens == ["token-0", "token-0", "token-0", "token-1"]
    assert {"ASIAGRANTED1", "token-0"} <= set(minted)
    assert len(grants.asked) == 2


async def changed(credentials: Credentials, old: str) -> None:
    """Wait until other keys than these are in use."""
    with anyio.fail_after(10):
        while True:
            keys = await credentials.current()
            if keys.access_key != old:
                return
            await anyio.sleep(0.01)


@requirement("models:bedrock:credentials")
async def test_a_look_up_blocks_nobody_and_is_bounded(
    bedrock: BedrockServer,
    model: Model,
    grants: Grants,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The event loop runs on while the metadata of a machine does not answer; a request waits so
    long and no longer, and there is one look-up however many wait."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "8")
    monkeypatch.setattr(bedrock_credentials, "LOOKUP_TIMEOUT", 1.0)
    grants.free.clear()
    async with signing(bedrock, model, Account(REGION)) as (live, credentials, _):
        waiting = [asyncio.create_task(asked(live)) for _ in range(3)]
        turns = 0
        while not all(task.done() for task in waiting):
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5
        for task in waiting:
            failed = task.exception()
            assert isinstance(failed, ModelError) and failed.transient
            assert "looking for AWS credentials took too long" in str(failed)
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("aws-credentials") == 1
        grants.free.set()
        bedrock.keys["ASIAGRANTED0"] = ("granted-secret-0", "token-0")
        monkeypatch.setattr(bedrock_credentials, "LOOKUP_TIMEOUT", 10.0)
        assert await asked(live) == "hi"
        assert (await credentials.current()).access_key == "ASIAGRANTED0"


@requirement("models:bedrock:credentials")
async def test_a_request_that_is_cancelled_leaves_the_look_up_to_the_others(
    bedrock: BedrockServer, model: Model, grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §3.8: it ends at once, and nobody else notices."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "8")
    bedrock.keys["ASIAGRANTED0"] = ("granted-secret-0", "token-0")
    grants.free.clear()
    async with signing(bedrock, model, Account(REGION)) as (live, _, _):
        first, second = (asyncio.create_task(asked(live)) for _ in range(2))
        assert await anyio.to_thread.run_sync(grants.reached.wait, 10)
        first.cancel()
        with anyio.fail_after(2), pytest.raises(asyncio.CancelledError):
            await first
        grants.free.set()
        assert await second == "hi"


@requirement("models:bedrock:credentials")
async def test_credentials_that_are_refused_as_too_old_are_looked_up_again(
    bedrock: BedrockServer, model: Model, grants: Grants
) -> None:
    """agent-file.md §3.10: the call may be tried again, then with others."""
    for number in range(2):
        bedrock.keys[f"ASIAGRANTED{number}"] = (f"granted-secret-{number}", f"token-{number}")
    model.script(
        reject(403, "ExpiredTokenException", "token-0 has expired"),
        say("fresh"),
    )
    account = msgspec.structs.replace(STATIC, role_arn=ROLE)
    async with signing(bedrock, model, account) as (live, _, _):
        with pytest.raises(ModelError) as failed:
            await asked(live)
        assert (failed.value.transient, "token-0" in str(failed.value)) == (True, False)
        assert await asked(live) == "fresh"
    assert model.heard[1].headers["x-amz-security-token"] == "token-1"


@requirement("models:bedrock:credentials")
async def test_old_credentials_serve_while_new_ones_cannot_be_had(
    bedrock: BedrockServer, model: Model, grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that end soon are good until they end."""
    monkeypatch.setattr(bedrock_credentials, "RENEWAL_PAUSE", 0.0)
    bedrock.keys["ASIAGRANTED0"] = ("granted-secret-0", "token-0")
    grants.life = 300
    account = msgspec.structs.replace(STATIC, role_arn=ROLE)
    async with signing(bedrock, model, account) as (live, credentials, _):
        assert await asked(live) == "hi"
        grants.refuse = True
        grants.reached.clear()
        assert await asked(live) == "hi"
        assert await anyio.to_thread.run_sync(grants.reached.wait, 10)
        for _ in range(3):
            assert await asked(live) == "hi"
        assert (await credentials.current()).access_key == "ASIAGRANTED0"


@requirement("models:bedrock:credentials")
async def test_credentials_that_have_ended_are_not_used(grants: Grants) -> None:
    """A grant that is over already is an error, not a refused request."""
    grants.life = -60
    with pytest.raises(HttpError):
        await Credentials(msgspec.structs.replace(STATIC, role_arn=ROLE), []).current()
