"""Names: found, or answered with the nearest; settings checked against their types; no torch for a list."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

import pytest

from unimp_bench import registry
from unimp_bench.errors import UsageError, nearest


@dataclass(frozen=True)
class _Config:
    layers: int = 2
    rate: float = 0.1
    mode: str = "a"
    deep: bool = False
    reads: tuple[Literal["text", "picture"], ...] = ("text",)

    def __post_init__(self) -> None:
        if self.deep and self.layers < 2:
            raise ValueError(f"layers = {self.layers} are not deep")


def test_misspelt_names_answer_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'search'"):
        registry.make_task("serch")
    with pytest.raises(UsageError, match="did you mean 'popularity'"):
        registry.make_model("popularty")


def test_a_name_without_near_ones_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=f"available: {', '.join(sorted(registry.task_cards()))}$"):
        registry.make_task("zzzz")


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("rnu", ["run", "tune", "suite"], "run"),
        ("serch", ["search", "selection"], "search"),
        ("popular", ["popularity", "p5"], "popularity"),
        ("SASREC", ["sasrec"], "sasrec"),
        ("amazon-2015", ["amazon-2014", "atomic"], "amazon-2014"),
        ("nosuch", ["search", "selection"], None),
        ("device", ["view", "seed"], None),
        ("limit", ["split", "option"], None),
        ("foobar", ["popularity", "mf"], None),
    ],
)
def test_only_a_near_name_is_suggested(name: str, known: list[str], near: str | None) -> None:
    assert nearest(name, known) == near


def test_only_families_take_a_variant() -> None:
    with pytest.raises(UsageError, match="is a family"):
        registry.model_card("recbole")
    with pytest.raises(UsageError, match="has no variants"):
        registry.model_card("popularity:x")
    assert registry.model_card("recbole:BPR").name == "recbole:BPR"


def test_settings_are_read_from_text_by_type() -> None:
    settings = {"layers": "3", "rate": "1e-3", "deep": "true", "reads": "text,picture"}
    assert registry.configure(_Config(), settings, "m") == _Config(3, 0.001, "a", True, ("text", "picture"))
    assert registry.configure(_Config(), {"reads": ""}, "m").reads == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 1}, "did you mean 'layers'"),
        ({"reads": "text,touch"}, "reads.1 = 'touch'"),
        ({"layers": "many"}, "layers = 'many'"),
        ({"rate": "x"}, "rate = 'x'"),
        ({"layers": "1", "deep": "yes"}, "^m: layers = 1 are not deep$"),
    ],
)
def test_invalid_settings_are_one_line_errors(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        registry.configure(_Config(), settings, "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("modality", ["text", "pictures"])
def test_a_model_with_features_of_a_modality_declares_that_it_reads_it(modality: str) -> None:
    """Also where it reads texts only in the absence of pictures: else it is refused on a corpus without them."""
    cards = registry.model_cards().values()
    assert not [card.name for card in cards if modality in card.features and modality not in card.reads]


def test_lists_load_nothing_heavy() -> None:
    script = (
        "import sys; from unimp_bench import registry;"
        "registry.model_cards(), registry.task_cards(), registry.corpus_cards();"
        "heavy = {'torch', 'pandas', 'pyarrow', 'transformers', 'recbole'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
