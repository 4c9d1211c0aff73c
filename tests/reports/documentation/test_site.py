"""The site builds without warnings and needs no network; links also work in the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s#]+)(?:#[^)\s]*)?\)")
BLOCK = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page", sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]), ids=lambda page: page.stem
)
def test_links_work_in_the_repository(page: Path) -> None:
    """The repository has no generated reference, so pages may link only to committed files."""
    targets = set(LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))))
    missing = sorted(target for target in targets if not (page.parent / target).exists())
    assert not missing
    ignored = [DOCS / "reference", DOCS / "_build"]
    assert not [
        target for target in targets if any((page.parent / target).resolve().is_relative_to(each) for each in ignored)
    ]


@pytest.mark.slow
def test_the_site_builds_and_needs_no_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    places = ["--conf-dir", str(DOCS), "--doctree-dir", str(tmp_path / "doctrees"), str(ROOT), str(tmp_path / "html")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    pages = sorted((tmp_path / "html").rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(https?:[^\"]*)", text)
        assert not fetched, f"{page.name} fetches {fetched}"
    ndcg = (tmp_path / "html" / "docs" / "reference" / "metrics" / "ndcg.html").read_text(encoding="utf-8")
    assert "<mfrac>" in ndcg
