"""A language model behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, or a hosted one.

Texts come from ``/chat/completions`` (``/completions`` without a chat template), likelihoods from ``/completions`` with
``echo`` and ``logprobs``, which vLLM has, and most hosted services have not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3

from baselines.llm.backend import Answer, Backend, Request
from unimp_bench.errors import DataError, UsageError

LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""

_LARGEST = 2**26  # bytes of an answer
_FINAL = (400, 401, 403, 404, 405, 422)
"""Statuses that another attempt would not change."""


class _FailedError(Exception):
    """An attempt without an answer that another attempt may bring."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Limits:
    """How a server is used.

    Attributes:
        at_once: requests under way.
        attempts: per request.
        timeout: seconds without a byte after which an attempt has failed.
        pause: seconds before the second attempt; doubled before each further one.
    """

    at_once: int = 8
    attempts: int = 6
    timeout: float = 120.0
    pause: float = 1.0


class ServedModel(Backend):
    """A model by the address of its server (``http://localhost:8000/v1``) and its name there.

    Args:
        address: of the server, up to ``/v1``.
        name: of the model, as the server knows it.
        chat: use chats; else plain completions.
        key_variable: environment variable with the key of the service, sent if it is set and kept nowhere.

    Raises:
        UsageError: the address is none of HTTP, or holds a password.
    """

    def __init__(self, address: str, name: str, *, chat: bool, key_variable: str, limits: Limits | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise UsageError(f"server {parts.hostname or address!r} is no address of the form http://host:port/v1")
        self._address, self._name, self._chat = address.rstrip("/"), name, chat
        self._limits = limits or Limits()
        self._headers = {"Content-Type": "application/json"}
        key = os.environ.get(key_variable, "").strip()
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._pool = urllib3.PoolManager(maxsize=self._limits.at_once, retries=False)

    @property
    def identity(self) -> Mapping[str, str]:
        return {"backend": "server", "address": self._address, "model": self._name, "chat": str(self._chat)}

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Several requests are under way at once; one that fails is repeated, each of the others is sent once.

        Raises:
            UsageError: the server refuses a request for a reason that repeating would not change.
            DataError: requests failed in all attempts.
        """
        failed: list[Exception] = []
        with ThreadPoolExecutor(self._limits.at_once) as pool:
            left = iter(enumerate(requests))
            running: dict[Any, int] = {}
            while True:
                while len(running) < self._limits.at_once and not any(isinstance(e, UsageError) for e in failed):
                    number, request = next(left, (-1, None))
                    if request is None:
                        break
                    running[pool.submit(self._answer, request)] = number
                if not running:
                    break
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    number, error = running.pop(done), done.exception()
                    if error is None:
                        yield number, done.result()
                    elif isinstance(error, UsageError | _FailedError):
                        failed.append(error)
                    else:
                        raise error
        if failed:
            final = next((error for error in failed if isinstance(error, UsageError)), None)
            raise final or DataError(
                f"server {self._address} gave no answer to {len(failed)} of {len(requests)} requests in "
                f"{self._limits.attempts} attempts (last: {failed[-1]}); its answers are kept: run the command again"
            )

    def _answer(self, request: Request) -> Answer:
        """One request, repeated until it is answered."""
        path, body = self._body(request)
        for attempt in range(self._limits.attempts):
            try:
                reply = self._post(path, body)
                return _likelihoods(reply, request) if request.continuations else _text(reply)
            except _FailedError as failure:
                if attempt + 1 == self._limits.attempts:
                    raise
                time.sleep(min(LONGEST_WAIT, max(failure.after, self._limits.pause * 2**attempt)))
        raise AssertionError("there is at least one attempt")

    def _body(self, request: Request) -> tuple[str, dict[str, Any]]:
        shared: dict[str, Any] = {"model": self._name, "temperature": 0, "seed": 0}
        if request.continuations:
            texts = [request.prompt.plain + each for each in request.continuations]
            return "/completions", {**shared, "prompt": texts, "max_tokens": 1, "logprobs": 1, "echo": True}
        shared |= {"max_tokens": request.limit} | ({"stop": ["\n"]} if request.lines and not self._chat else {})
        if not self._chat:
            return "/completions", {**shared, "prompt": request.prompt.plain}
        system = [{"role": "system", "content": request.prompt.system}] if request.prompt.system else []
        return "/chat/completions", {**shared, "messages": [*system, {"role": "user", "content": request.prompt.text}]}

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        """The reply as JSON.

        Raises:
            UsageError: refused.
            _FailedError: anything that may be otherwise the next time.
        """
        try:
            response = self._pool.request(
                "POST",
                self._address + path,
                body=orjson.dumps(body),
                headers=self._headers,
                timeout=urllib3.Timeout(connect=self._limits.timeout, read=self._limits.timeout),
                redirect=False,  # the key is for this server alone
                preload_content=False,
            )
            content = response.read(_LARGEST + 1, decode_content=True)
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _FailedError(type(error).__name__) from None
        if response.status != 200:
            reason = f"HTTP {response.status}"
            if response.status in _FINAL:
                said = " ".join(content[:200].decode(errors="replace").split())
                raise UsageError(f"server {self._address} refuses {path}: {reason} ({said!r})")
            raise _FailedError(reason, _seconds(response.headers.get("Retry-After")))
        if len(content) > _LARGEST:
            raise _FailedError("a reply of more than 64 MiB")
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise _FailedError("a reply that is no JSON") from None


def _seconds(value: str | None) -> float:
    return float(value) if value is not None and value.isdigit() else 0.0


def _text(reply: Any) -> Answer:
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        usage = reply.get("usage") or {}
        counts = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise _FailedError("a reply without a text") from None
    if text is not None and not isinstance(text, str):
        raise _FailedError("a reply without a text")
    return Answer(text or "", tokens_in=counts[0], tokens_out=counts[1])


def _likelihoods(reply: Any, request: Request) -> Answer:
    """Of the continuations: of the tokens that end behind the prompt."""
    start = len(request.prompt.plain)
    totals, lengths = [], []
    try:
        choices = sorted(reply["choices"], key=lambda choice: choice["index"])
        if [choice["index"] for choice in choices] != list(range(len(request.continuations))):
            raise _FailedError("a reply without all continuations")
        for choice, continuation in zip(choices, request.continuations, strict=True):
            found, end = choice["logprobs"], start + len(continuation)
            places = [*found["text_offset"], end]
            tokens = [
                float(value)
                for value, first, last in zip(found["token_logprobs"], places[:-1], places[1:], strict=True)
                if value is not None and first < end and last > start
            ]
            if not tokens:
                raise _FailedError("a reply without likelihoods of its prompt (the server must know 'echo')")
            totals.append(sum(tokens))
            lengths.append(len(tokens))
        count = int((reply.get("usage") or {}).get("prompt_tokens") or 0)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _FailedError("a reply without likelihoods of its prompt (the server must know 'echo')") from None
    return Answer(totals=tuple(totals), lengths=tuple(lengths), tokens_in=count)
