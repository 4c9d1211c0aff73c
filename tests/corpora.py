"""Parts of small corpora written by tests."""

from __future__ import annotations

from unimp_bench.corpus import CorpusWriter


def finish(writer: CorpusWriter, domains: tuple[str, ...] = ("all",), new_domains: tuple[str, ...] = ()) -> None:
    """Finish a synthetic corpus without options and inputs."""
    writer.finish(
        source="made",
        licence="none",
        synthetic=True,
        options={},
        inputs={},
        domains=domains,
        new_domains=new_domains,
        bad_lines={},
    )
