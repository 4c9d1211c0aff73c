"""The documentation's site: ``make docs``.

The source folder is the project's root, so that a link between pages is the same path here and where the repository is
read; of the root only the folders and files of ``PARTS`` are looked at.
"""

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PARTS = ("docs", "leaderboards", "CONTRIBUTING.md")
LEADERBOARD = "leaderboard.html"
"""What 'unimp-bench leaderboard --html' wrote, in the site."""
sys.path.insert(0, str(DOCS / "extensions"))

project = "unimp-bench"
author = "the authors of unimp-bench"
root_doc = "docs/index"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "repository_links",
]
exclude_patterns = [entry.name for entry in ROOT.iterdir() if entry.name not in PARTS] + ["docs/_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
html_math_renderer = "mathml"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_ivar = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(?!unimp_bench\.(contracts|records|runs\.results|runs\.spec|errors)\.).*|.*\.(ConfigT|ExamplesT|Training)",
    )
]

suppress_warnings = ["misc.highlighting_failure"]  # of formats that the repository's host knows, such as csv

html_theme = "furo"
html_title = "unimp-bench"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "to_docs.html"}
html_context = {"leaderboard": LEADERBOARD if (ROOT / "leaderboards" / "index.html").is_file() else ""}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "one_page.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
pygments_style = "friendly"
pygments_dark_style = "monokai"


def _write_reference(app: Sphinx) -> None:
    from unimp_bench.reports.documentation.reference import write_reference

    write_reference(DOCS / "reference", ROOT)


def _copy_leaderboard(app: Sphinx, problem: Exception | None) -> None:
    if html_context["leaderboard"]:
        shutil.copyfile(ROOT / "leaderboards" / "index.html", Path(app.outdir) / LEADERBOARD)


def setup(app: Sphinx) -> None:
    """Write the reference before pages are looked for; lay the leaderboards' own page beside what was built."""
    app.connect("builder-inited", _write_reference)
    app.connect("build-finished", _copy_leaderboard)
