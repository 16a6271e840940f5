"""Talks to an agent with the OpenAI SDK: streams each answer and keeps the history.

usage: python openai_sdk.py [BASE_URL] (default http://127.0.0.1:8083/v1); the key, if the server
asks for one, is in OPENAI_API_KEY
"""

from __future__ import annotations

import os
import sys

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam


def main() -> None:
    """Ask what is typed, until the input ends."""
    base_url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8083/v1"
    client = OpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY", "unused"))
    agent = client.models.list().data[0].id
    history: list[ChatCompletionMessageParam] = []
    for line in sys.stdin:
        history.append({"role": "user", "content": line.strip()})
        answer = ""
        for chunk in client.chat.completions.create(model=agent, messages=history, stream=True):
            piece = chunk.choices[0].delta.content or ""
            sys.stdout.write(piece)
            sys.stdout.flush()
            answer += piece
        sys.stdout.write("\n")
        history.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    main()
