"""The cuts of test examples: binary properties and exclusive classes, with their thresholds."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_HISTORY = 5
"""A user with a shorter history is cold: UniMP reads the last five items (section 3.1)."""

FEW_INTERACTIONS = 5
"""An item with fewer training interactions is cold."""

HEAD_SHARE = 0.2
"""The share of the catalogue, by training interactions, that is its head."""

LOGICS = ("memorised", "substitutable", "symmetric", "transitive", "second_order")
"""What a target requires of a model, by strictness: memory of a transition, or a way to generalise from others."""

HOPS = 4
"""Maximum distance, in positions, between items of a training sequence that the labels of ``LOGICS`` connect."""


@dataclass(frozen=True)
class Cut:
    """A binary property of test examples.

    Attributes:
        name: key in files.
        yes, no: labels of both sides in tables; ``no`` is empty for a class of several exclusive ones, whose other side
            has no columns.
        about: the definition of the first side; "training" is the training part of the example's split, for
            ``new-user`` that of ``loo``.
    """

    name: str
    yes: str
    no: str
    about: str


CUTS = (
    Cut(
        "transition",
        "one transition away",
        "further away",
        "another user's training sequence has the target directly after the last item of the history",
    ),
    Cut(
        "future",
        "transition from the future",
        "not from the future",
        "such transitions exist, all of them later than the target",
    ),
    Cut(
        "tied",
        "tied in time",
        "not tied",
        "the target has the timestamp of the last interaction of the history, so their order is arbitrary",
    ),
    Cut(
        "file_order",
        "with the file's order",
        "against the file's order",
        "the id of the target is larger than that of the last item of the history, as in a file sorted by id "
        "(smaller, for a file in descending order)",
    ),
    Cut("repeat", "had before", "new to the user", "the target itself is in the history"),
    Cut(
        "copy",
        "had a copy before",
        "no copy before",
        "another item of the history is a near-duplicate of the target, by title or by picture",
    ),
    Cut("cold_user", "cold users", "warm users", f"the history holds fewer than {SHORT_HISTORY} items"),
    Cut("cold_item", "cold items", "warm items", f"the target has fewer than {FEW_INTERACTIONS} training interactions"),
    Cut(
        "head",
        "head",
        "tail",
        f"the target is among the {HEAD_SHARE:.0%} of the catalogue with the most training interactions",
    ),
    Cut(
        "memorised",
        "memorised",
        "",
        "a training sequence has the target directly after the last item of the history (classes of MemGen-GR, "
        "arXiv:2603.19809: a target is in the first that holds of memorised, substitutable, symmetric, transitive and "
        "second-order)",
    ),
    Cut(
        "substitutable",
        "substitutable",
        "",
        f"for an h from 2 to {HOPS}, the target follows one of the last h items of the history within h positions of a "
        "training sequence",
    ),
    Cut(
        "symmetric",
        "symmetric",
        "",
        f"for an h from 1 to {HOPS}, one of the last h items of the history follows the target within h positions of a "
        "training sequence",
    ),
    Cut(
        "transitive",
        "transitive",
        "",
        "likewise, another item follows one of the last h items of the history and is followed by the target",
    ),
    Cut(
        "second_order",
        "second-order",
        "",
        "likewise, the target and one of the last h items have a common successor or a common predecessor, or another "
        "item follows the target and is followed by one of the last h",
    ),
    Cut("none", "no logic", "", "no class of MemGen-GR holds"),
)
