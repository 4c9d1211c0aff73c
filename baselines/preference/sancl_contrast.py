"""The natural contrast of SANCL, as two losses to minimise.

A user's likes are the natural positives: interactions with a rating in the upper quarter of the scale (4 and 5 stars of
five). The rest of what a user rated is negative, and so is what stands elsewhere in the batch.

    cm  what is written of an object finds its picture: anchors are the texts of products and of what was liked, the
        positive is the object's own picture, negatives are the pictures of all other items in the batch
    rp  a product finds what its user liked: positives are those interactions of its own user's history, negatives the
        others of that history and all of other users'; text with text, picture with picture, the mean of the two

each the ``info_nce`` of cosines, with the anchor through a map of its own. Where a picture or a text is absent, it is
masked. SANCL's code adds what it masks as ``exp(0)``, has no temperature, and lets pictures stand for the texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.preference.sancl_layers import info_nce, two_layers


@dataclass(frozen=True)
class Known:
    """What is known of B products and of the N interactions that their users had before.

    Attributes:
        items, users: (B,) numbers.
        history, owners: (N,) the item of each interaction, and the product whose user had it.
        liked, disliked: (N,) bool, whether it has such a rating.
        written: (B,) bool, whether the product has a text; every interaction has.
        product_pictured, pictured: (B,) and (N,) bool.
    """

    items: Tensor
    users: Tensor
    history: Tensor
    owners: Tensor
    liked: Tensor
    disliked: Tensor
    written: Tensor
    product_pictured: Tensor
    pictured: Tensor


class Contrast(nn.Module):
    """Both losses, from vectors in the common spaces."""

    def __init__(self, space: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.of_text, self.of_product = two_layers(space, space), two_layers(space, space)

    def cm(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], known: Known) -> Tensor:
        """Of products (B, space) and interactions (N, space), in texts and in pictures; a scalar."""
        anchors, found = map(torch.cat, (texts, pictures))
        items = torch.cat([known.items, known.history])
        pictured = torch.cat([known.product_pictured, known.pictured])
        natural = torch.cat([known.written, known.liked])
        positive = torch.diag(natural & pictured)
        negative = pictured & (items[:, None] != items)
        return info_nce(cosines(self.of_text(anchors), found), positive, negative, self.temperature)

    def rp(self, texts: tuple[Tensor, Tensor], pictures: tuple[Tensor, Tensor], known: Known) -> Tensor:
        """As ``cm``."""
        own = torch.arange(len(known.items), device=known.items.device)[:, None] == known.owners
        others = known.users[:, None] != known.users[known.owners]
        positive, negative = own & known.liked, (own & known.disliked) | others
        losses = []
        for (product, said), anchored, candidates in (
            (texts, known.written, torch.ones_like(known.liked)),
            (pictures, known.product_pictured, known.pictured),
        ):
            usable = anchored[:, None] & candidates
            similar = cosines(self.of_product(product), said)
            losses.append(info_nce(similar, positive & usable, negative & usable, self.temperature))
        return torch.stack(losses).mean()


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """(N, M) of rows (N, width) and (M, width)."""
    return normalize(first, dim=1) @ normalize(second, dim=1).T
