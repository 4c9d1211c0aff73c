"""The options of a build and their defaults by kind."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep import CorpusCard
from unimp_bench.errors import UsageError, find

USUAL_NEW_DOMAIN = "Office_Products"


@dataclass(frozen=True)
class BuildOptions:
    """What may be chosen about a corpus.

    Attributes:
        user_core, item_core: fewest interactions of a user and of an item; 0 keeps all.
        held_out: share of the users of training domains that split ``new-user`` gets.
        new_domains: domains held out whole; None for Office_Products where there are others beside it.
        seed: of the draw of held-out users, and of the generated sample.
        repeats: keep all interactions of a user with an item, not the first one alone.
        partial: build from what is there of a raw file that ends too early.

    Raises:
        UsageError: a value makes no sense.
    """

    user_core: int = 5
    item_core: int = 5
    held_out: float = 0.1
    new_domains: tuple[str, ...] | None = None
    seed: int = 0
    repeats: bool = False
    partial: bool = False

    def __post_init__(self) -> None:
        if self.user_core < 0 or self.item_core < 0:
            raise UsageError("a core is 0 (off) or more interactions")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"held-out share {self.held_out} is not in [0, 1); write 0.1 for a tenth of the users")

    @classmethod
    def usual(cls, card: CorpusCard) -> BuildOptions:
        """The defaults for a kind of corpora."""
        return cls(user_core=0, item_core=0, held_out=0.0) if card.filtered else cls()

    def new_domains_among(self, domains: tuple[str, ...]) -> tuple[str, ...]:
        """The domains of a source that are held out whole, sorted.

        Raises:
            UsageError: one of them is unknown, or none would be left to train on.
        """
        if self.new_domains is None:
            return (USUAL_NEW_DOMAIN,) if USUAL_NEW_DOMAIN in domains and len(domains) > 1 else ()
        for name in self.new_domains:
            find(dict.fromkeys(domains), name, "domain")
        if set(self.new_domains) == set(domains):
            raise UsageError("all domains would be held out; leave one to train on")
        return tuple(sorted(set(self.new_domains)))
