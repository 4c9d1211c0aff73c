"""Parameters of the generator, hidden from models: sufficient to compute the probabilities of choices and ratings.

Arrays, in ``raw/truth`` in the generator's order of users and items, in ``truth`` of a corpus in its numbering:

    user_domain (users,), item_domain (items,)   codes of the domains
    user_colour (users, 8), user_shape (users, 6), user_pattern (users, 5), user_theme (users, 12)   log weights
    user_purse (users,)                          the preferred dearness
    item_colour, item_shape, item_pattern, item_theme, item_shelf (items,)   codes
    item_popularity, item_dearness (items,)
    item_successor (items,)                      the successor of an item, -1 if the corpus lacks it
    follow (shelves, shelves)                    log boost of an item's shelf after the last item's shelf
    series_boost (2,)                            log boosts of the successors of the last item and the one before
    price_weight ()                              of the squared distance between dearness and purse
    user_leniency (users,), item_quality (items,)   shifts of the satisfaction that a rating cuts into stars
    user_liking_mean, user_liking_spread (users,)   of the liking over the purchases of the user's domain
    liking_weight ()                             of the standardised liking in the satisfaction
    noise_spread ()                              standard deviation of the noise in the satisfaction
    star_cut (4,)                                a satisfaction above k of these gives k + 1 stars
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.sample.choice import (
    CUTS,
    LIKING_WEIGHT,
    NOISE_SPREAD,
    PRICE_WEIGHT,
    SERIES_BOOSTS,
    Purchases,
    Ratings,
)
from data_prep.sample.store import Items, Shoppers, Store
from unimp_bench.errors import DataError
from unimp_bench.records import IntArray

SHARED = ("follow", "series_boost", "price_weight", "liking_weight", "noise_spread", "star_cut")


@dataclass(frozen=True)
class DomainTruth:
    """All draws of one domain; ``items`` are those offered at the end."""

    store: Store
    items: Items
    shoppers: Shoppers
    purchases: Purchases
    ratings: Ratings

    def users(self) -> list[str]:
        """Names that the users get in a corpus."""
        return [f"{name}_{self.store.department.key}" for name in self.shoppers.names]


def write_truth(domains: list[DomainTruth], folder: Path) -> None:
    """Write the arrays, their ``users.json`` and ``items.json``, and the recorded choices (``choice_*``)."""
    folder.mkdir(parents=True)
    _write_names(folder / "users.json", [name for domain in domains for name in domain.users()])
    _write_names(folder / "items.json", [str(asin) for domain in domains for asin in domain.items.asins])
    columns: dict[str, list[np.ndarray]] = {}
    items = users = shelves = 0
    for code, domain in enumerate(domains):
        for name, values in _columns(domain, code, users, items, shelves).items():
            columns.setdefault(name, []).append(values)
        items, users = items + len(domain.items), users + len(domain.shoppers)
        shelves += len(domain.store.department.shelves)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    arrays["follow"] = _block_diagonal([domain.store.follow for domain in domains])
    arrays["series_boost"] = np.array(SERIES_BOOSTS)
    arrays["price_weight"] = np.array(PRICE_WEIGHT)
    arrays["liking_weight"] = np.array(LIKING_WEIGHT)
    arrays["noise_spread"] = np.array(NOISE_SPREAD)
    arrays["star_cut"] = np.array(CUTS)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def attach_truth(raw: Path, folder: Path, users: list[str], items: list[str]) -> None:
    """Write the truth of a corpus built from ``raw``, in its numbering, as .npy arrays into ``folder``.

    Args:
        raw: folder written by ``generate``.
        folder: the existing ``truth`` folder of the corpus.
        users: names ``<reviewerID>_<Domain>`` in the order of the corpus.
        items: asins in the order of the corpus.

    Raises:
        DataError: the truth is missing, or the corpus has a user or item that the generator did not draw.
    """
    truth = raw / "truth"
    if not truth.is_dir():
        raise DataError(f"{raw} has no truth folder: it was not written by the sample's generator")
    user_rows = _rows(truth / "users.json", users)
    item_rows = _rows(truth / "items.json", items)
    number_of = np.full(int(np.load(truth / "item_domain.npy").size) + 1, -1, dtype=np.int64)
    number_of[item_rows] = np.arange(len(items))
    for path in sorted(truth.glob("*.npy")):
        array = np.load(path, allow_pickle=False)
        if path.stem.startswith("choice_"):
            continue
        if path.stem not in SHARED:
            array = array[user_rows if path.stem.startswith("user_") else item_rows]
        if path.stem == "item_successor":
            array = number_of[array]
        np.save(folder / path.name, array, allow_pickle=False)


def _columns(domain: DomainTruth, code: int, users: int, items: int, shelves: int) -> dict[str, np.ndarray]:
    """The rows of one domain, with its numbers shifted to those of all domains."""
    shoppers, goods, purchases = domain.shoppers, domain.items, domain.purchases
    return {
        "user_domain": np.full(len(shoppers), code),
        "user_colour": shoppers.colour,
        "user_shape": shoppers.shape,
        "user_pattern": shoppers.pattern,
        "user_theme": shoppers.theme,
        "user_purse": shoppers.purse,
        "user_leniency": shoppers.leniency,
        "user_liking_mean": np.full(len(shoppers), domain.ratings.liking_mean),
        "user_liking_spread": np.full(len(shoppers), domain.ratings.liking_spread),
        "item_domain": np.full(len(goods), code),
        "item_colour": goods.colour,
        "item_shape": goods.shape,
        "item_pattern": goods.pattern,
        "item_theme": goods.theme,
        "item_shelf": goods.shelf + shelves,
        "item_popularity": goods.popularity,
        "item_dearness": goods.dearness,
        "item_quality": domain.ratings.quality,
        "item_successor": goods.successors() + items,
        "choice_user": purchases.shopper + users,
        "choice_item": purchases.item + items,
        "choice_log_probability": purchases.log_probability,
    }


def _block_diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    size = sum(len(block) for block in blocks)
    whole = np.zeros((size, size))
    start = 0
    for block in blocks:
        whole[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return whole


def _write_names(path: Path, names: list[str]) -> None:
    path.write_text(json.dumps(names) + "\n", encoding="utf-8")


def _rows(path: Path, names: list[str]) -> IntArray:
    """Indices of ``names`` in the generator's list."""
    known = {name: row for row, name in enumerate(json.loads(path.read_text(encoding="utf-8")))}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise DataError(f"the sample's truth ({path}) lacks {missing!r}; generate the sample again")
    return np.array([known[name] for name in names], dtype=np.int64)
