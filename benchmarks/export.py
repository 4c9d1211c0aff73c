"""Measures the export of instruction datasets: examples a second, and peak memory, for every task of some corpora.

    python benchmarks/export.py                                    # the built-in sample
    python benchmarks/export.py --corpus data/movielens            # and corpora that are built already, by folder

Each export is a process of its own that writes one dataset with its items and pictures into an empty folder. The
picture tokenizer of image generation is trained before, since it is trained once for a corpus and kept (``--home``
names a workspace that may have it already). Seconds are
those of the export alone, without the imports; beside them the CPU seconds, for machines that are busy. The base
memory is that of a process that has imported everything and opened the corpus.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPORT = """
import sys, time
from pathlib import Path
from unimp_bench.errors import UsageError
from unimp_bench.export.dataset import ExportRequest, export_datasets
from unimp_bench.memory import peak_memory_mib
from unimp_bench.paths import Workspace
from unimp_bench.runner import open_corpus
folder, out, task = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if task == "image_generation":
    import unimp_bench.picture_tokens.tokenizer, unimp_bench.picture_tokens.training
names = len(open_corpus(folder, ()).items.names)
base, wall, cpu = peak_memory_mib(), time.perf_counter(), time.process_time()
try:
    outcome = next(export_datasets(ExportRequest((task,), folder, out), Workspace(Path(sys.argv[4]))))
except UsageError:
    outcome = None
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
export = outcome.export if outcome else None
if export is None:
    print("-")
else:
    size = sum(entry.bytes for entry in export.files.values())
    print(export.examples, wall, cpu, base, peak_memory_mib(), size / 2**20)
"""
TASKS = ("recommendation", "search", "preference", "explanation", "selection", "image_generation")


def measure(corpus: Path, task: str, home: Path, out: Path) -> str:
    """What one export prints: examples, wall and CPU seconds, base and peak MiB, MiB of Parquet; or a dash."""
    command = [sys.executable, "-c", EXPORT, str(corpus), str(out), task, str(home)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def row(corpus: Path, task: str, printed: str) -> str:
    """A line of the table."""
    if printed == "-":
        return f"| {corpus.name} | {task} | none: the corpus cannot give it | | | | | |"
    examples, wall, cpu, base, peak, size = map(float, printed.split())
    cells = [f"{examples:,.0f}", f"{wall:.1f}", f"{cpu:.1f}", f"{examples / cpu:,.0f}", f"{base:.0f} to {peak:.0f}"]
    return f"| {corpus.name} | {task} | " + " | ".join([*cells, f"{size:.1f}"]) + " |"


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description="Time and memory of exporting instruction datasets.")
    parser.add_argument("--corpus", type=Path, nargs="*", help="folders of built corpora; the sample where none")
    parser.add_argument("--home", type=Path, help="workspace whose cache is used; an empty one where none is named")
    arguments = parser.parse_args()
    corpora: list[Path] = arguments.corpus or []
    print("| corpus | task | examples | s | CPU s | examples/CPU s | memory, MiB | Parquet, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        cached = arguments.home.resolve() if arguments.home else scratch
        if not corpora:
            corpora = [scratch / "data" / "sample"]
            build = [sys.executable, "-m", "unimp_bench.cli.main", "data"]
            home = {**os.environ, "UNIMP_BENCH_HOME": name}
            subprocess.run(build, cwd=ROOT, check=True, env=home, stdout=subprocess.DEVNULL)
        for corpus in corpora:
            for task in TASKS:
                if task == "image_generation":
                    measure(corpus.resolve(), task, cached, scratch / "trained")
                out = scratch / f"{corpus.name}-{task}"
                print(row(corpus, task, measure(corpus.resolve(), task, cached, out)), flush=True)


if __name__ == "__main__":
    main()
