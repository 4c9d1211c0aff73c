"""The cuts by which test examples are told apart: each is a yes or no of every example. Data, loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_HISTORY = 5
"""A history below this length is a cold user's: UniMP reads the last five items (section 3.1)."""

FEW_INTERACTIONS = 5
"""An item with fewer training interactions is cold."""

HEAD_SHARE = 0.2
"""The share of the catalogue, by training interactions, that is its head."""


@dataclass(frozen=True)
class Cut:
    """One question that divides test examples.

    Attributes:
        name: in files.
        yes, no: what tables call both sides.
        about: what exactly is asked; "training" is the training part of the example's split, of ``new-user`` that of
            ``loo``.
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
)
