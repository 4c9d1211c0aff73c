"""The kinds of tasks: what a model predicts, how that is scored, chosen by on validation, and shown in tables."""

from unimp_bench.kinds.base import Column, Kind, Setting

__all__ = ["Column", "Kind", "Setting", "kind_of"]


def kind_of(name: str) -> Kind:
    """The kind of that name (``unimp_bench.contracts.Kind``)."""
    from unimp_bench.kinds.picture import PictureKind
    from unimp_bench.kinds.ranking import RankingKind
    from unimp_bench.kinds.rating import RatingKind
    from unimp_bench.kinds.selection import SelectionKind
    from unimp_bench.kinds.text import TextKind

    kinds: tuple[type[Kind], ...] = (RankingKind, RatingKind, TextKind, SelectionKind, PictureKind)
    return next(kind() for kind in kinds if kind.name == name)
