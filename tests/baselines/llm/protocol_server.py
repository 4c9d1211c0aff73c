"""A local server that speaks OpenAI's protocol, and misbehaves as told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Mood = Callable[[int], str]
"""What the server does with its n-th request, from 0: ``ok``, ``truncated``, ``slow``, ``hang up``, or a status."""


@dataclass
class Book:
    """What was requested and given.

    Attributes:
        bodies: of all requests, with their paths.
        answered: whole answers by prompt.
        keys: the authorisations that were sent.
    """

    address: str
    mood: Mood
    reply: Callable[[str], str]
    slow: float
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    keys: set[str | None] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


def likelihood(text: str) -> list[tuple[int, float]]:
    """Tokens of four characters with made-up log-likelihoods, by their place."""
    return [(place, -0.01 * (sum(map(ord, text[place : place + 4])) % 97)) for place in range(0, len(text), 4)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    book: Book
    lock = threading.Lock()

    def do_POST(self) -> None:
        book = self.book
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            mood = book.mood(len(book.bodies))
            book.bodies.append((self.path, body))
            book.keys.add(self.headers["Authorization"])
            book.at_once += 1
            book.most_at_once = max(book.most_at_once, book.at_once)
        try:
            self._answer(mood, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.lock:
                book.at_once -= 1

    def _answer(self, mood: str, body: dict[str, Any]) -> None:
        content = json.dumps(self._content(body)).encode()
        if mood == "hang up":
            self.close_connection = True
            return
        if mood == "slow":
            time.sleep(self.book.slow)
            self.close_connection = True
        if mood.isdigit():
            content = b'{"error": "no"}'
        if mood == "truncated":
            content = content[: len(content) // 2]
        self.send_response(int(mood) if mood.isdigit() else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        if mood == "ok":
            with self.lock:
                self.book.answered[prompt_of(body)] += 1

    def _content(self, body: dict[str, Any]) -> dict[str, Any]:
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        if body.get("echo"):
            choices = []
            for index, text in enumerate(body["prompt"]):
                tokens = [*likelihood(text), (len(text), -1.0)]  # one generated token behind them
                scores = {"text_offset": [t[0] for t in tokens], "token_logprobs": [None, *(t[1] for t in tokens[1:])]}
                choices.append({"index": index, "text": text, "logprobs": scores})
            return {"choices": choices[::-1], "usage": usage}
        text = self.book.reply(prompt_of(body))
        choice = {"message": {"content": text}} if "messages" in body else {"text": text}
        return {"choices": [choice], "usage": usage}

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def protocol_server(
    mood: Mood = lambda _: "ok", reply: Callable[[str], str] = str.upper, slow: float = 2.0
) -> Iterator[Book]:
    handler = type("Bound", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads, http.block_on_close = True, False
    handler.book = book = Book(f"http://127.0.0.1:{http.server_address[1]}/v1", mood, reply, slow)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield book
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
