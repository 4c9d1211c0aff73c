"""A local HTTP server that stalls, disconnects and misreports."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """Answers by path, one per request in order; the last one is repeated."""

    port: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, *answers: Answer, path: str = "/file") -> str:
        """Set the answers of a path and return its address."""
        self.answers[path] = list(answers)
        return self.url(path)

    def headers_of(self, path: str = "/file") -> list[dict[str, str]]:
        """Headers of the requests of a path, in order."""
        return [headers for requested, headers in self.requests if requested == path]


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive after a complete answer."""

    protocol_version = "HTTP/1.1"
    book: Server
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            self.book.requests.append((self.path, dict(self.headers.items())))
            self.book.at_once += 1
            self.book.most_at_once = max(self.book.most_at_once, self.book.at_once)
            answers = self.book.answers.get(self.path, [status(404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.lock:
                self.book.at_once -= 1

    def start(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def misbehaving_server() -> Iterator[Server]:
    handler = type("Bound", (Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    http.block_on_close = False
    handler.book = book = Server(http.server_address[1])
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield book
    finally:
        book.released.set()
        http.shutdown()
        http.server_close()
        thread.join()


def whole(content: bytes, ranges: bool = True, **headers: str) -> Answer:
    """The file, or the requested range while If-Range holds."""
    return body(content, ranges=ranges, **headers)


def cut_off(content: bytes, after: int, ranges: bool = True, **headers: str) -> Answer:
    """Close the connection after ``after`` bytes of the requested ones, fewer than announced."""
    return body(content, sent=after, ranges=ranges, **headers)


def stall(content: bytes, after: int, **headers: str) -> Answer:
    """Send some bytes, then nothing on an open connection."""
    return body(content, sent=after, stalls=True, **headers)


def body(
    content: bytes,
    sent: int | None = None,
    ranges: bool = True,
    stalls: bool = False,
    announced: int | None = None,
    **headers: str,
) -> Answer:
    """A body, sent in part; headers are keywords with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    validators = (named.get("ETag"), named.get("Last-Modified"))

    def answer(handler: Handler) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and ranges and handler.headers.get("If-Range") in validators else 0
        if start and start >= len(content):
            handler.start(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        rest = content[start:]
        length = {"Content-Length": str(len(rest) if announced is None else announced)}
        if start:
            length["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.start(206 if start else 200, length | named)
        handler.wfile.write(rest[:sent])
        handler.wfile.flush()
        if stalls:
            handler.book.released.wait(20)
        handler.close_connection = handler.close_connection or stalls or sent is not None or announced is not None

    return answer


def status(code: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.start(code, {"Content-Length": "0"} | named)


def redirect(location: str, code: int = 302) -> Answer:
    return status(code, Location=location)


def hang_up(handler: Handler) -> None:
    """No answer at all."""
    handler.close_connection = True


def nonsense(handler: Handler) -> None:
    """A response that is not HTTP."""
    handler.wfile.write(b"\x00\x01 what?\r\n\r\n")
    handler.close_connection = True
