"""Data cards of published corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

from unimp_bench import registry
from unimp_bench.reports.pages.card import card_markdown
from unimp_bench.reports.pages.write import pages

COMMITTED = Path(__file__).resolve().parents[3] / "leaderboards"


@pytest.mark.parametrize("name", sorted(registry.public_corpora()))
def test_a_card_names_every_file_with_address_or_way_to_obtain_it(name: str) -> None:
    public = registry.public_corpora()[name]
    text = "\n".join(card_markdown(public))
    assert public.command in text and f"{public.interactions:,} interactions" in text
    for file in public.files:
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{file.name}` |"))
        assert file.sha256 is None or file.sha256[:12] in row
        assert file.urls[0] in row if file.urls else "| none |" not in row
    for part in public.parts:
        assert f"| {part.part} | `{part.fingerprint[:12]}` | {'has it' if part.same else 'differs'} |" in text


def test_every_audited_real_corpus_has_its_card() -> None:
    made = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("audit_*.md")}
    assert "audit_beauty.md" in made
    for name, text in made.items():
        assert ("## Data card" in text) != ("*Generated corpus" in text), name


def test_pages_of_unknown_corpora_have_no_card(tmp_path: Path) -> None:
    assert not any("Data card" in page for page in pages(tmp_path).values())
