"""A server of raw files with hasty retries, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from data_prep.download import transfer
from data_prep.download.http import RetryPolicy
from tests.data_prep.misbehaving_server import Server, misbehaving_server
from unimp_bench.cli.main import main

HASTY = RetryPolicy(attempts=2, connect=1.0, read=0.2, first_pause=0.01, max_pause=0.05, max_retry_after=1.5)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is reached without proxies, with few and quick attempts."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "UNIMP_BENCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "RetryPolicy", lambda: HASTY)
    with misbehaving_server() as server:
        yield server


@pytest.fixture
def unimp_bench(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run
