"""Cells as processes on the nodes of a Ray cluster, or of a local one on this machine.

All nodes share the file system of the workspace under the same paths; results and logs are stored there.
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
"""Object store of a local cluster, which only passes commands and exit codes."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage reports
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default, without Ray's warning
}


class RayCluster(Executor):
    """One Ray task per cell, with equal shares of the cores and GPUs."""

    def __init__(self, address: str | None = None, places: int | None = None) -> None:
        """Connect to a cluster, or start one on this machine.

        Args:
            address: of a running cluster, ``auto`` for that of this process; None to start one.
            places: number of parallel cells; None for one per GPU, or one per core without GPUs.

        Raises:
            DependencyError: Ray is not installed.
            UsageError: the cluster does not respond.
        """
        self._ray = _connected(address)
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cores, gpus = (sum(int(node.get(name, 0)) for node in nodes) for name in ("CPU", "GPU"))
        self.places = places or gpus or cores or 1
        # A task must fit on a node, and Ray divides a GPU into at most 10,000 parts.
        core_share = max(1, min(cores // self.places, *(int(node.get("CPU", 0)) or cores for node in nodes)))
        gpu_share = min(1.0, gpus * 10_000 // self.places / 10_000)
        # No automatic retries: the user repeats the command.
        self._remote = self._ray.remote(num_cpus=core_share, num_gpus=gpu_share, max_retries=0)(attempt)
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
    """Run ``unimp-bench`` on this node; stop the process on an interrupt.

    Args:
        arguments: of ``unimp-bench``.
        log: an empty file of the workspace, made by the suite.
        variables: set in addition to those of the node.
        folder: working directory of the suite, for relative paths.
    """
    if not (Path(log).is_file() and Path(folder).is_dir()):
        missing = log if Path(folder).is_dir() else folder
        return End(trouble=f"node {socket.gethostname()} does not see {missing}: all nodes must share its file system")
    os.chdir(folder)
    process = start_process(arguments, Path(log), {**os.environ, **variables})
    try:
        # Ray delivers interrupts between two calls, so no call may wait for long.
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
        place = f"responds at {address}" if address else "starts on this machine"
        raise UsageError(f"no Ray cluster {place}: {_first_line(error)}") from None
    return ray


def _check_answers(address: str) -> None:
    """Connect to ``host:port`` first, since Ray would retry for minutes.

    Raises:
        OSError: there is no connection.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
