"""Answers of language models kept on disk, so that none is computed or paid for twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from baselines.llm.backend import Answer, Backend, Request
from unimp_bench.contracts import Usage
from unimp_bench.errors import DataError
from unimp_bench.progress import progress

_FORMAT = 1
_WAIT = 60.0  # seconds for another process that writes


class KeptAnswers:
    """A backend with its answers kept in a SQLite file, each written as it arrives.

    The key of an answer is a hash of the backend's identity and the whole request: model, weights, tokenizer, template,
    precision, library, texts and limits. What is kept is the raw answer, never what was parsed from it.

    Args:
        backend: gives what is not kept yet.
        path: of the file; processes may share it.

    Attributes:
        usage: of all answers since ``forget_counts``, kept ones as well.
        reused: number of different requests that were answered before.
    """

    def __init__(self, backend: Backend, path: Path) -> None:
        self.backend, self._path = backend, path
        self._identity = json.dumps([_FORMAT, dict(backend.identity)], sort_keys=True)
        self.forget_counts()

    def forget_counts(self) -> None:
        """Count from here."""
        self.usage, self.reused = Usage(), 0

    def words(self, examples: int) -> str:
        """What the answers took, for a result's remarks."""
        used = self.usage
        per = f", {(used.prompt_tokens + used.generated_tokens) / examples:.0f} an example" if examples else ""
        reused = f", {self.reused:,} of them kept from earlier runs" if self.reused else ""
        tokens = f"{used.prompt_tokens:,} tokens in, {used.generated_tokens:,} out{per}"
        return f"{used.requests:,} requests{reused}; {tokens}"

    def ask(self, requests: Sequence[Request], label: str) -> list[Answer]:
        """The answers to requests; equal requests are made once.

        Raises:
            BenchError: the backend failed; the answers that arrived are kept.
        """
        keys = [self._key(request) for request in requests]
        different = dict(zip(keys, requests, strict=True))
        try:
            found = self._read(list(different))
            missing = [key for key in different if key not in found]
            self.reused += len(found)
            arriving = self.backend.answers([different[key] for key in missing]) if missing else iter(())
            for number, answer in progress(arriving, label, total=len(missing), unit="prompt"):
                self._write(missing[number], answer)
                found[missing[number]] = answer
        except sqlite3.Error as error:
            raise DataError(f"the file of kept answers {self._path} cannot be used ({error}); remove it") from None
        self.usage += Usage(
            len(found),
            sum(answer.tokens_in for answer in found.values()),
            sum(answer.tokens_out for answer in found.values()),
        )
        return [found[key] for key in keys]

    def _key(self, request: Request) -> str:
        text = json.dumps([self._identity, asdict(request)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)
        base.execute("pragma journal_mode=wal")
        base.execute(
            "create table if not exists answers (key text primary key, text text, scores text, tokens_in integer, "
            "tokens_out integer)"
        )
        return base

    def _read(self, keys: list[str]) -> dict[str, Answer]:
        base = self._open()
        try:
            query = "select text, scores, tokens_in, tokens_out from answers where key = ?"
            rows = {key: base.execute(query, (key,)).fetchone() for key in keys}
        finally:
            base.close()
        try:
            return {key: _parsed(*row) for key, row in rows.items() if row is not None}
        except (ValueError, TypeError) as error:
            raise DataError(f"the file of kept answers {self._path} is damaged ({error}); remove it") from None

    def _write(self, key: str, answer: Answer) -> None:
        base = self._open()
        try:
            scores = json.dumps([answer.totals, answer.lengths])
            row = (key, answer.text, scores, answer.tokens_in, answer.tokens_out)
            base.execute("insert or replace into answers values (?, ?, ?, ?, ?)", row)
        finally:
            base.close()


def _parsed(text: str, scores: str, tokens_in: int, tokens_out: int) -> Answer:
    totals, lengths = json.loads(scores)
    return Answer(str(text), tuple(map(float, totals)), tuple(map(int, lengths)), int(tokens_in), int(tokens_out))
