"""Views of a corpus: exactly the share is changed, nothing else, and the same way every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.views import CHANGED, MAPS, SHARES, View, ViewKind, parts_of_name, view_of, viewed
from unimp_bench.errors import UsageError
from unimp_bench.records import Histories

KINDS: st.SearchStrategy[ViewKind] = st.sampled_from(list(SHARES))
VIEWS = st.builds(View, st.sampled_from(["NT", "NV"]), st.floats(0.001, 1.0), st.integers(0, 2**40))
ANY_VIEW = st.builds(
    lambda kind, share, seed, at_test: View(kind, share, seed, at_test and kind in MAPS),
    *(KINDS, st.floats(0, 1, exclude_min=True), st.integers(0, 10**18 - 1), st.booleans()),
)
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cells(corpus: Corpus) -> np.ndarray:
    """(attributes, items) values, None where missing."""
    columns = [corpus.items.column(name).to_pylist() for name in corpus.items.attributes]
    table = np.empty((len(columns), len(corpus.items)), dtype=object)
    for row, column in enumerate(columns):
        for item, value in enumerate(column):
            table[row, item] = tuple(value) if isinstance(value, list) else value
    return table


def pictures(corpus: Corpus) -> list[Path | None]:
    return [corpus.items.picture(item) for item in range(len(corpus.items))]


@relaxed
@given(share=st.floats(0.001, 1.0), seed=st.integers(0, 2**40))
def test_nt_takes_exactly_its_share_of_the_values(planted: Corpus, share: float, seed: int) -> None:
    before, after = cells(planted), cells(view_of(planted, View("NT", share, seed)))
    present = np.not_equal(before, None)
    missing = present & np.equal(after, None)
    assert missing.sum() == round(share * present.sum())
    assert np.array_equal(after[~missing], before[~missing])


@relaxed
@given(share=st.floats(0.001, 1.0), seed=st.integers(0, 2**40))
def test_nv_shows_exactly_its_share_of_other_pictures(planted: Corpus, share: float, seed: int) -> None:
    before, corpus = pictures(planted), view_of(planted, View("NV", share, seed))
    after = pictures(corpus)
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    assert changed == round(share * planted.items.has_picture.sum())
    assert np.array_equal(corpus.items.has_picture, planted.items.has_picture)
    assert set(after) <= set(before)
    assert [None if name is None else planted.folder / "pictures" / name for name in
            corpus.items.column("picture").to_pylist()] == after  # fmt: skip


@relaxed
@given(view=VIEWS)
def test_a_view_changes_its_own_kind_alone(planted: Corpus, view: View) -> None:
    viewed = view_of(planted, view)
    assert viewed.items.names == planted.items.names
    assert np.array_equal(viewed.items.domains, planted.items.domains)
    assert viewed.users.names == planted.users.names
    assert np.array_equal(viewed.histories.items, planted.histories.items)
    if view.kind == "NT":
        assert pictures(viewed) == pictures(planted)
    else:
        assert np.array_equal(cells(viewed), cells(planted))
    viewed.verify()


@relaxed
@given(view=VIEWS, other=VIEWS)
def test_a_view_is_determined_by_its_form(planted: Corpus, view: View, other: View) -> None:
    once, again, different = (view_of(planted, each) for each in (view, View.parse(view.canonical), other))
    assert np.array_equal(cells(once), cells(again)) and pictures(once) == pictures(again)
    assert once.fingerprint == again.fingerprint == once.items.fingerprint != planted.fingerprint
    assert (once.fingerprint == different.fingerprint) == (view == other) == (view.canonical == other.canonical)


@pytest.mark.parametrize("kind", ["NT", "NV"])
def test_a_larger_share_changes_all_that_a_smaller_one_does(planted: Corpus, kind: str) -> None:
    small, large = (view_of(planted, View.parse(f"{kind}:{share}")) for share in ("0.2", "0.6"))
    for of in (lambda corpus: cells(corpus).ravel().tolist(), pictures):
        plain, few, many = (of(corpus) for corpus in (planted, small, large))
        assert all(b == c for a, b, c in zip(plain, few, many, strict=True) if a != b)


def test_nv_draws_donors_from_all_other_items(planted: Corpus) -> None:
    """Over seeds, the donors of one item are spread over all others that have a picture."""
    pictured = np.flatnonzero(planted.items.has_picture)
    names = {path: item for item, path in enumerate(pictures(planted))}
    donors = np.zeros(len(planted.items))
    for seed in range(600):
        donors[names[view_of(planted, View("NV", 1.0, seed)).items.picture(int(pictured[0]))]] += 1
    assert donors[pictured[0]] == 0
    counts = donors[pictured[1:]]
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert (counts > 0).mean() > 0.98
    assert chi_square < len(counts) + 5 * np.sqrt(2 * len(counts))


@relaxed
@given(kind=st.sampled_from(["MT", "MV", "XT", "XV"]), share=st.floats(0.03, 1.0), seed=st.integers(0, 2**40))
def test_maps_show_each_item_the_text_or_picture_of_its_source(
    planted: Corpus, kind: ViewKind, share: float, seed: int
) -> None:
    """By hand: the share of items has none, or that of another one of the share, each item's shown once."""
    after, part = view_of(planted, View(kind, share, seed)), CHANGED[kind]
    source = after.items.sources[part].tolist()
    moved = [item for item, shown in enumerate(source) if shown != item]
    assert len(moved) == round(share * len(planted.items))
    if kind.startswith("M"):
        assert {source[item] for item in moved} <= {-1}
    else:
        assert sorted(source) == list(range(len(source)))
    before, now, looks, shows = cells(planted), cells(after), pictures(planted), pictures(after)
    for item, shown in enumerate(source):
        text, picture = before[:, item], looks[item]
        if part == "texts":
            text = before[:, shown] if shown >= 0 else np.full(len(text), None)
        else:
            picture = looks[shown] if shown >= 0 else None
        assert np.array_equal(now[:, item], text) and shows[item] == picture


def test_maps_compose(planted: Corpus) -> None:
    """First exchanged, then missing, and the other way round: the text of an item's source of a source."""
    for first, second in (("XT:0.8:1", "MT:0.3:2"), ("MT:0.3:2", "XT:0.8:1"), ("XT:0.5:1", "XT:0.5:2")):
        steps = [view_of(planted, View.parse(text)).items.sources["texts"] for text in (first, second)]
        both = view_of(view_of(planted, View.parse(first)), View.parse(second))
        expected = [-1 if shown < 0 else int(steps[0][shown]) for shown in steps[1]]
        assert both.items.sources["texts"].tolist() == expected
        titles = planted.items.text("title")
        assert both.items.text("title") == ["" if shown < 0 else titles[shown] for shown in expected]
    noisy = view_of(view_of(planted, View.parse("XV")), View.parse("NT"))
    assert np.array_equal(noisy.items.sources["pictures"], view_of(planted, View.parse("XV")).items.sources["pictures"])


def test_a_view_at_test_leaves_the_items_of_the_fit(planted: Corpus) -> None:
    once = view_of(planted, View.parse("MT:0.5@test"))
    both = view_of(once, View.parse("XV@test"))
    assert once.tested is not None and both.tested is not None and planted.tested is None
    for corpus in (once, both):
        assert corpus.items is planted.items and corpus.part_fingerprints == planted.part_fingerprints
        assert corpus.fingerprint != planted.fingerprint and corpus.tested.origin is planted.items
    assert (
        both.tested.text("title") == once.tested.text("title") == view_of(planted, View.parse("MT")).items.text("title")
    )
    assert set(both.tested.sources) == {"texts", "pictures"} and both.name == f"{planted.name}+MT@test+XV@test"
    with pytest.raises(UsageError, match="put it first"):
        view_of(once, View.parse("NT"))
    above = view_of(view_of(planted, View.parse("XT")), View.parse("MT@test"))
    assert above.tested is not None and set(above.tested.sources["texts"]) <= {-1, *range(len(planted.items))}
    assert np.array_equal(above.tested.sources["texts"], once.tested.sources["texts"])  # of the items of the fit


def test_a_share_of_no_item_is_refused(planted: Corpus) -> None:
    for text in ("MT:0.001", "MV:0.001", "XT:0.014", "XV:0.001@test"):
        with pytest.raises(UsageError, match="changes nothing: its share of 72 items is"):
            view_of(planted, View.parse(text))


def test_lists_go_whole_and_text_follows(planted: Corpus) -> None:
    viewed = view_of(planted, View("NT", 1.0))
    assert viewed.items.column("category").type == planted.items.column("category").type
    assert all(viewed.items.text(name) == [""] * len(planted.items) for name in planted.items.attributes)


def test_views_compose(planted: Corpus) -> None:
    text, vision = View.parse("NT"), View("NV", 0.5, 3)
    both, swapped = view_of(view_of(planted, text), vision), view_of(view_of(planted, vision), text)
    assert both.name == f"{planted.name}+NT+NV-0.5-3"
    assert np.array_equal(cells(both), cells(view_of(planted, text)))
    assert pictures(both) == pictures(view_of(planted, vision)) == pictures(swapped)
    assert len({planted.fingerprint, view_of(planted, text).fingerprint, both.fingerprint, swapped.fingerprint}) == 4
    twice = view_of(view_of(planted, View("NT", 0.5)), View("NT", 0.5))
    present = np.not_equal(cells(planted), None).sum()
    assert np.not_equal(cells(twice), None).sum() == present - round(present / 2) - round(
        (present - round(present / 2)) / 2
    )


@pytest.mark.parametrize(
    ("text", "view", "name"),
    [
        ("NT", View("NT", 0.2, 0), "planted+NT"),
        ("NV:0.2:0", View.parse("NV"), "planted+NV"),
        ("NT:0.4", View("NT", 0.4), "planted+NT-0.4"),
        ("NV:.5", View("NV", 0.5), "planted+NV-0.5"),
        ("NT:0.2:7", View("NT", 0.2, 7), "planted+NT-0.2-7"),
        ("NT:0.00001", View("NT", 1e-5), "planted+NT-1e-05"),
        ("NV:1e-05:7", View("NV", 1e-5, 7), "planted+NV-1e-05-7"),
        ("ST:2.5E-3", View("ST", 0.0025), "planted+ST-0.0025"),
        ("MT@test", View("MT", 0.5, 0, at_test=True), "planted+MT@test"),
        ("XV:1e-05:7@test", View("XV", 1e-5, 7, at_test=True), "planted+XV-1e-05-7@test"),
    ],
)
def test_forms_and_names(planted: Corpus, text: str, view: View, name: str) -> None:
    assert View.parse(text) == view == View.parse(str(view)) == View.parse(view.canonical)
    assert viewed(planted.name, planted.fingerprint, view)[0] == name
    assert parts_of_name(name) == ("planted", (view,))


@given(
    views=st.lists(ANY_VIEW, max_size=3),
    base=st.sampled_from(["beauty", "b-1e-05", "H+M", "a+NTx"]),
)
def test_a_name_gives_its_views_back(views: list[View], base: str) -> None:
    """Whatever the share: the dash of an exponent separates nothing."""
    name = base
    for view in views:
        name, _ = viewed(name, "0", view)
        assert View.parse(str(view)) == View.parse(view.canonical) == view
    assert parts_of_name(name) == (base, tuple(views))


@pytest.mark.parametrize(
    "text",
    [
        *("", "nt", "NX", "NT:", "NT:2", "NT:0", "NV:-1", "NV:nan", "NT:0.2:x", "NT:0.2:-1", "NT:1:2:3"),
        *("MT@", "MT@tests", "MT@test:1", "@test", "NT@test", "ST:1@test"),
    ],
)
def test_invalid_views_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="view"):
        View.parse(text)


def test_a_corpus_with_nothing_to_change_is_refused(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "bare") as writer:
        writer.users(["u"], ["all"], np.array([False]))
        writer.items(["a", "b"], ["all", "all"], {"title": pa.array([None, None], pa.string())})
        writer.histories(Histories(np.array([0, 2]), np.array([0, 1]), np.full(2, np.nan), np.arange(2)))
        writer.finish(source="made", licence="none", synthetic=True, options={}, inputs={}, domains=("all",),
                      new_domains=(), bad_lines={})  # fmt: skip
    corpus = Corpus.open(tmp_path / "bare")
    with pytest.raises(UsageError, match="view NT changes nothing: the items of bare have no attributes"):
        view_of(corpus, View.parse("NT"))
    with pytest.raises(UsageError, match="view NV changes nothing: bare has fewer than two pictures"):
        view_of(corpus, View.parse("NV"))


def tied_corpus(planted: Corpus, folder: Path) -> Corpus:
    """The planted corpus with times that stand still for three interactions at a time."""
    histories = planted.histories
    place = np.concatenate([np.arange(length) for length in histories.lengths()])
    tied = Corpus(planted.folder, planted.manifest)
    tied._array = lambda name: {**vars(histories), "times": 10**9 + place // 3}[name]  # type: ignore[method-assign]
    return tied


def test_st_shuffles_only_simultaneous_interactions(planted: Corpus, tmp_path: Path) -> None:
    before = tied_corpus(planted, tmp_path)
    after = view_of(before, View.parse("ST"))
    after._array = before._array  # type: ignore[method-assign]
    old, new = before.histories, after.histories
    assert np.array_equal(old.offsets, new.offsets) and np.array_equal(old.times, new.times)
    groups = np.stack([old.owners(), old.times])
    assert sorted(zip(*groups, old.items, strict=True)) == sorted(zip(*groups, new.items, strict=True))
    moved = (old.items != new.items).mean()
    assert moved == pytest.approx(2 / 3, abs=0.05)  # of three in a random order each moves with chance 2/3
    half = view_of(before, View("ST", 0.5, 0))
    half._array = before._array  # type: ignore[method-assign]
    assert (half.histories.items != old.items).mean() == pytest.approx(1 / 3, abs=0.04)


def test_st_moves_ratings_reviews_and_explanations_with_their_items(planted: Corpus, tmp_path: Path) -> None:
    before = tied_corpus(planted, tmp_path)
    after = view_of(view_of(before, View.parse("ST")), View.parse("NT"))  # the order outlives a second view
    after._array = before._array  # type: ignore[method-assign]

    def facts(corpus: Corpus) -> list[tuple[object, ...]]:
        histories, explanations = corpus.histories, corpus.explanations
        assert histories.reviews is not None and explanations is not None
        said = dict(zip(explanations.rows.tolist(), explanations.take(np.arange(len(explanations))), strict=True))
        users = histories.owners()
        columns = zip(users, histories.items, histories.ratings, histories.reviews.read(), strict=True)
        return sorted((*row, said.get(number, "")) for number, row in enumerate(columns))

    assert after.order is not None and not np.array_equal(after.order, np.arange(len(after.order)))
    assert np.all(np.diff(after.explanations.rows) > 0)
    assert facts(before) == facts(after)


def test_st_leaves_a_public_split_as_it_is(planted: Corpus, tmp_path: Path) -> None:
    before = tied_corpus(planted, tmp_path)
    place = np.concatenate([np.arange(length) for length in planted.histories.lengths()])
    parts = np.minimum(place // 2, 2).astype(np.uint8)  # cuts through the groups of three
    before.__dict__["parts"] = parts
    after = view_of(before, View.parse("ST"))
    assert after.order is not None and not np.array_equal(after.order, np.arange(len(parts)))
    assert np.array_equal(parts[after.order], parts)


def test_st_changes_nothing_without_ties(planted: Corpus) -> None:
    with pytest.raises(UsageError, match="simultaneous interactions"):
        view_of(planted, View.parse("ST"))
