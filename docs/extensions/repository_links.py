"""Links to folders of the repository, which are no pages: the words stay, without a link, where the folder exists."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class FoldersByName(SphinxPostTransform):
    """Runs before references are resolved, so that a link to no page and no folder is an error as ever."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        page = Path(self.env.doc2path(self.env.docname))
        for node in list(self.document.findall(pending_xref)):
            target = node["reftarget"]
            if node["reftype"] == "myst" and target and (page.parent / target).is_dir():
                node.replace_self(nodes.inline("", "", *node.children))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_post_transform(FoldersByName)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
