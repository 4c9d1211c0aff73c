"""The pictures of a gallery as files, and what stands below each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.export.sheet import one_line
from unimp_bench.gallery.two_step import Drawings
from unimp_bench.gallery.wishes import LAST
from unimp_bench.picture_tokens.files import UInt8Array, to_png
from unimp_bench.picture_tokens.tokenizer import PictureTokenizer
from unimp_bench.records import Examples, IntArray
from unimp_bench.rendering import item_words

SIDE = 80
"""The catalogue's pictures are scaled down to this many pixels a side, so that a gallery stays light."""


@dataclass(frozen=True)
class Figure:
    """A picture with its title.

    Attributes:
        label: what it is to the user.
        title: of the item; empty for what was generated.
        file: name of its PNG, None for an item without a picture.
    """

    label: str
    title: str
    file: str | None


@dataclass(frozen=True)
class Panel:
    """All about one user; ``earlier`` items of the history are not shown.

    Attributes:
        outcome: the retrieved items, the generated picture and, where it is known, the truth with its ceiling.
    """

    user: str
    domain: str
    earlier: int
    history: tuple[Figure, ...]
    outcome: tuple[Figure, ...]


@dataclass(frozen=True)
class Hanging:
    """Writes the PNG files of a gallery into ``folder``; ``files`` are their names so far."""

    corpus: Corpus
    tokenizer: PictureTokenizer
    folder: Path
    files: list[str] = field(default_factory=list)

    def panels(self, wishes: Examples, bought: IntArray, drawings: Drawings) -> list[Panel]:
        """A panel for each example; ``bought`` (n,) is -1 where the truth is not known.

        Raises:
            DataError: a picture cannot be decoded.
        """
        titled = "title" in self.corpus.items.attributes
        titles = self.corpus.items.text("title") if titled else item_words(self.corpus)
        users = self.corpus.users
        generated = self.tokenizer.decode(drawings.codes)
        panels = []
        for number, user in enumerate(wishes.users.tolist()):
            name = f"user-{number + 1}"
            history = wishes.history(number)

            def shown(label: str, item: int, kind: str, name: str = name) -> Figure:
                return Figure(label, one_line(titles[item]), self._item(item, f"{name}-{kind}.png"))

            outcome = [
                shown(_retrieved(place, item == bought[number]), item, f"retrieved-{place}")
                for place, item in enumerate(drawings.retrieved[number].tolist(), start=1)
            ]
            outcome.append(Figure("generated", "", self._png(generated[number], f"{name}-generated.png")))
            if bought[number] >= 0:
                outcome += self._truth(shown("really bought", int(bought[number]), "bought"), int(bought[number]), name)
            panels.append(
                Panel(
                    one_line(users.names[user]),
                    self.corpus.manifest.domains[users.domains[user]],
                    max(0, len(history) - LAST),
                    tuple(
                        shown("", item, f"history-{at}") for at, item in enumerate(history[-LAST:].tolist(), start=1)
                    ),
                    tuple(outcome),
                )
            )
        return panels

    def _truth(self, bought: Figure, item: int, name: str) -> list[Figure]:
        """What was bought, and its picture put through the tokenizer: as good as a generated picture can be."""
        path = self.corpus.items.picture(item)
        if path is None:
            return [bought]
        again = self.tokenizer.decode(self.tokenizer.encode([path]))[0]
        return [bought, Figure("the same through the tokenizer (ceiling)", "", self._png(again, f"{name}-ceiling.png"))]

    def _item(self, item: int, file: str) -> str | None:
        path = self.corpus.items.picture(item)
        if path is None:
            return None
        picture = open_picture(path)
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return self._png(np.asarray(picture), file)

    def _png(self, picture: UInt8Array, file: str) -> str:
        to_png(picture, self.folder / file)
        self.files.append(file)
        return file


def _retrieved(place: int, is_bought: bool) -> str:
    return f"retrieved {place}, really bought" if is_bought else f"retrieved {place}"
