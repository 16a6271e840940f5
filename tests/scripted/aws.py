"""Where AWS credentials come from, scripted: the token service (roles) and a machine's metadata."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from tests.scripted.gate import PATIENCE
from tests.scripted.signature import fault_of

_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn>
<AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId>
<SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to sts:AssumeRole</Message>
</Error></ErrorResponse>"""
_ROLES = "/latest/meta-data/iam/security-credentials/"


class Grants:
    """The running services. Every grant has keys of its own, noted in `granted`, which last `life`
    seconds; `keys` may ask for roles. `held` stops every answer until it is set again."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.life = 3600.0
        self.refuse = False
        self.keys: dict[str, tuple[str, str]] = {}
        self.granted: dict[str, tuple[str, str]] = {}
        self.asked: list[dict[str, str]] = []
        self.faults: list[str] = []
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()

    def grant(self) -> tuple[str, str, str, str]:
        """New keys and when they end."""
        number = len(self.granted)
        access, secret, token = (
            f"ASIAGRANTED{number}",
            f"granted-secret-{number}",
            f"token-{number}",
        )
        self.granted[access] = (secret, token)
        end = datetime.now(UTC) + timedelta(seconds=self.life)
        return access, secret, token, end.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def granting() -> Generator[Grants]:
    """Both services on one free port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _send(self, status: int, body: str) -> None:
            grants.reached.set()
            grants.free.wait(PATIENCE)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
            self.end_headers()
            self.wfile.write(body.encode())

        def do_PUT(self) -> None:
            self._send(200, "metadata-token")

        def do_GET(self) -> None:
            if self.path == _ROLES:
                self._send(200, "machine-role")
                return
            access, secret, token, end = grants.grant()
            fields = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": access}
            fields |= {"SecretAccessKey": secret, "Token": token, "Expiration": end}
            fields["LastUpdated"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._send(200, json.dumps(fields))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fault = fault_of("POST", self.path, headers, body, grants.keys, "sts")
            if fault:
                grants.faults.append(fault)
            grants.asked.append(dict(parse_qsl(body.decode())))
            if grants.refuse or fault:
                self._send(403, _REFUSED)
            else:
                self._send(200, _ASSUMED.format(*grants.grant()))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    grants = Grants(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield grants
    finally:
        grants.free.set()
        server.shutdown()
        server.server_close()
        thread.join()
