"""Cells on a Ray cluster, or on this machine as a cluster of one: each is the same process, on whatever node has room.

All nodes share the file system of the workspace, by the same paths; that is where a cell's result and log go.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimp_bench.errors import DependencyError, UsageError
from unimp_bench.runs.execution.executor import End, Executor, Job, start_process

if TYPE_CHECKING:
    from ray import ObjectRef

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 10.0
_OWN_VARIABLES = "UNIMP_BENCH_"
_STORE_BYTES = 100 * 2**20
"""Of a cluster of one: what passes through Ray is a command and an exit code."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anyone
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what it would warn of otherwise
}


class RayCluster(Executor):
    """One task of Ray a cell, with an equal share of the cores and graphics cards."""

    def __init__(self, address: str | None = None, places: int | None = None) -> None:
        """Join a cluster, or begin one on this machine.

        Args:
            address: of a cluster that runs, ``auto`` for the one that this process runs in; None to begin one.
            places: cells at once; None for one a graphics card, or one a core where there is no card.

        Raises:
            DependencyError: Ray is not installed.
            UsageError: no cluster answers at the address.
        """
        self._ray = _connected(address)
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cores, cards = (sum(int(node.get(name, 0)) for node in nodes) for name in ("CPU", "GPU"))
        self.places = places or cards or cores or 1
        # A task must fit a node, and Ray splits a card into ten thousand parts at most.
        core_share = max(1, min(cores // self.places, *(int(node.get("CPU", 0)) or cores for node in nodes)))
        card_share = min(1.0, cards * 10_000 // self.places / 10_000)
        # What is killed is not tried again behind the user's back: the same command does that.
        self._remote = self._ray.remote(num_cpus=core_share, num_gpus=card_share, max_retries=0)(attempt)
        self._variables = {key: value for key, value in os.environ.items() if key.startswith(_OWN_VARIABLES)}
        self._folder = str(Path.cwd())

    def start(self, arguments: Sequence[str], log: Path) -> Job:
        return _Task(self._ray, self._remote.remote(tuple(arguments), str(log), self._variables, self._folder))

    def close(self) -> None:
        self._ray.shutdown()


class _Task(Job):
    def __init__(self, ray: Any, reference: ObjectRef[End]) -> None:
        self._ray = ray
        self._reference = reference

    def end(self) -> End | None:
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        try:
            return self._ray.get(self._reference)  # type: ignore[no-any-return]
        except self._ray.exceptions.RayError as error:
            return End(trouble=f"Ray lost the process: {_first_line(getattr(error, 'cause', error))}")

    def stop(self) -> None:
        self._ray.cancel(self._reference)

    def wait(self) -> None:
        self._ray.wait([self._reference])


def attempt(arguments: tuple[str, ...], log: str, variables: dict[str, str], folder: str) -> End:
    """Run ``unimp-bench`` on the node that calls this; interrupted, it stops the process.

    Args:
        arguments: of ``unimp-bench``.
        log: an empty file of the workspace, made by the suite.
        variables: set beside those of the node.
        folder: where the suite runs, to which paths are relative.
    """
    if not (Path(log).is_file() and Path(folder).is_dir()):
        missing = log if Path(folder).is_dir() else folder
        return End(trouble=f"node {socket.gethostname()} does not see {missing}: all nodes must share its file system")
    os.chdir(folder)
    process = start_process(arguments, Path(log), {**os.environ, **variables})
    try:
        # An interrupt from Ray is noticed between two calls, so nothing here waits for long.
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return End(process.returncode)


def _connected(address: str | None) -> Any:
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    try:
        import ray
    except ImportError:
        raise DependencyError("--executor ray needs Ray: pip install 'unimp-bench[ray]'") from None
    try:
        if address:
            _check_answers(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                "local",
                num_cpus=os.cpu_count(),
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, ValueError, RuntimeError) as error:
        place = f"answers at {address}" if address else "begins on this machine"
        raise UsageError(f"no Ray cluster {place}: {_first_line(error)}") from None
    return ray


def _check_answers(address: str) -> None:
    """Knock at ``host:port``, where Ray itself would try again for minutes.

    Raises:
        OSError: nobody is there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
