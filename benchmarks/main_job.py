"""The main job as a user runs it: UniMP on search over the sample, and its quality beside BM25's.

    python benchmarks/main_job.py

Builds the sample and runs both commands in an empty workspace, each as a process of its own, and prints a table:
seconds of the whole command (imports, picture features, training, validation, scoring) and HR@5. Then the same UniMP
command again, which must find its result.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time


def main() -> None:
    """Run, measure, print."""
    with tempfile.TemporaryDirectory() as home:
        built, _ = command(home, "data")
        bm25, bm25_hr = command(home, "run", "--task", "search", "--model", "bm25")
        unimp, unimp_hr = command(home, "run", "--task", "search", "--model", "unimp")
        again, _ = command(home, "run", "--task", "search", "--model", "unimp")
    print("| command | seconds | HR@5 |\n| --- | --- | --- |")
    print(f"| build the sample | {built:.1f} | |")
    print(f"| BM25 on search | {bm25:.1f} | {bm25_hr:.4f} |")
    print(f"| UniMP on search | {unimp:.1f} | {unimp_hr:.4f} |")
    print(f"| UniMP again (finds its result) | {again:.1f} | |")
    print(f"\nHR@5 of UniMP over BM25: {unimp_hr / bm25_hr:.2f} (aim: 1.5); minutes: {unimp / 60:.1f} (aim: 6)")


def command(home: str, *arguments: str) -> tuple[float, float]:
    """Seconds of one whole command, and the HR@5 that it prints (0 where it prints none)."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "unimp_bench.cli.main", *arguments],
        env={**os.environ, "UNIMP_BENCH_HOME": home},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    found = re.search(r"HR@5\s+([0-9.]+)", done.stdout)
    return time.perf_counter() - started, float(found.group(1)) if found else 0.0


if __name__ == "__main__":
    main()
