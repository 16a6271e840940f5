"""Stands in for the `docker` command: `docker mcp gateway run …` as the plain server, after a note
of what it was given."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

flags = dict(zip(sys.argv[4::2], sys.argv[5::2], strict=True))
secrets, config = Path(flags["--secrets"]), Path(flags["--config"])
note = {
    "words": sys.argv[1:4],
    "flags": flags,
    "secrets": secrets.read_text(),
    "config": json.loads(config.read_text()),
    "modes": [oct(path.stat().st_mode & 0o777) for path in (secrets, config, secrets.parent)],
    "environ": dict(os.environ),
}
Path(os.environ["STUB_NOTE"]).write_text(json.dumps(note))
sys.argv[1:] = []
runpy.run_path(str(Path(__file__).parent / "plain_server.py"))
