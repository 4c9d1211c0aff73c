"""Exported datasets: loading, contents, reproducible bytes, and atomic writing."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.interchange import dataset
from unimp_bench.interchange.card import COLUMNS, RECORD_NAME, Export
from unimp_bench.interchange.dataset import ExportRequest, Outcome, export_datasets
from unimp_bench.kinds import draw_examples
from unimp_bench.kinds.rendering import SCHEMA, Renderer
from unimp_bench.records import Part, Split

FAST = ("recommendation", "search", "preference", "selection")


def export(corpus: Corpus, out: Path, *tasks: str, **changes: object) -> list[Outcome]:
    request = ExportRequest(tasks=tasks or FAST, corpus=corpus.folder, out=out, **changes)  # type: ignore[arg-type]
    return list(export_datasets(request, Workspace(out.parent)))


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_part_holds_the_drawn_examples(planted: Corpus, tmp_path: Path) -> None:
    for outcome in export(planted, tmp_path / "out"):
        task = registry.make_task(outcome.task)
        assert outcome.export is not None and not outcome.export.skipped and len(outcome.export.parts) == 5
        parts: list[tuple[Split, Part]] = [("loo", "train"), ("loo", "validation"), ("loo", "test")]
        for split, part in [*parts, ("new-user", "test"), ("new-domain", "test")]:
            examples = draw_examples(task, planted, split, part, tmp_path)
            table = pq.read_table(outcome.folder / "data" / f"{split}-{part}-00000-of-00001.parquet")
            rendered = list(Renderer(planted, task.instruction).render(examples))
            assert outcome.export.parts[f"{split}-{part}".replace("-", "_")].examples == len(table) == len(rendered)
            for row, example in list(zip(table.to_pylist(), rendered, strict=True))[:: len(rendered) // 20 + 1]:
                assert (row["id"], row["user"], row["domain"]) == (example.id, example.user, example.domain)
                assert tuple(row["history"]) == example.history == _names(planted, example.id)
                assert tuple(row["history_times"]) == example.times
                assert tuple(row["history_ratings"]) == example.ratings
                assert (row["query"], row["instruction"]) == (example.query, example.instruction)
                assert tuple(row["shown"] or ()) == example.shown
                assert (row["target"], row["target_rating"]) == (example.target, example.target_rating)
                assert tuple(row["target_items"]) == example.target_items


def _names(corpus: Corpus, example: str) -> tuple[str, ...]:
    """The user's items before the place in an example's id."""
    *_, user, place = example.split("/")
    start = int(corpus.histories.offsets[corpus.users.names.index(user)])
    return tuple(corpus.items.names[item] for item in corpus.histories.items[start : start + int(place)])


def test_the_loader_gives_named_splits_items_and_pictures(
    planted: Corpus, datasets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for outcome in export(planted, tmp_path / "out"):
        moved = tmp_path / f"moved-{outcome.task}"
        shutil.move(outcome.folder, moved)
        loaded = datasets.load_dataset(str(moved))
        assert outcome.export is not None
        counts = {name: part.examples for name, part in outcome.export.parts.items()}
        assert {name: len(rows) for name, rows in loaded.items()} == counts
        assert loaded["loo_test"].column_names == list(COLUMNS) == SCHEMA.names
        items = datasets.load_dataset(str(moved), "items", split="catalogue")
        assert items["item"] == planted.items.names
        assert items[3]["attributes"]["title"] == planted.items.text("title")[3]
        row = loaded["loo_test"][0]
        assert isinstance(row["history"], list) and isinstance(row["history_times"][0], int)
        paths = [*items["picture"], *(row["shown_pictures"] or []), *row["target_pictures"]]
        assert any(paths) and all((moved / path).is_file() for path in paths if path is not None)
        assert (moved / "pictures").resolve().is_relative_to(moved)


def test_a_second_export_gives_the_same_bytes(planted: Corpus, tmp_path: Path) -> None:
    export(planted, tmp_path / "out")
    first = hashes(tmp_path / "out")
    export(planted, tmp_path / "out", "search")
    assert hashes(tmp_path / "out") == first
    export(planted, tmp_path / "again")
    assert hashes(tmp_path / "again") == first
    assert not [path for path in (tmp_path / "out").rglob(".*") if path.name != ".lock"]


def test_long_parts_are_cut_into_files_and_blocks(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(planted, tmp_path / "whole", "selection")[0]
    monkeypatch.setattr(dataset, "ROWS_A_FILE", 50)
    monkeypatch.setattr("unimp_bench.kinds.rendering.MOST_STEPS", 64)
    cut = export(planted, tmp_path / "cut", "selection")[0]
    files = sorted((cut.folder / "data").glob("loo-train-*"))
    tables = [pq.read_table(path) for path in files]
    assert [len(table) for table in tables[:-1]] == [50] * (len(files) - 1) and len(files) > 5
    assert files[-1].name.endswith(f"{len(files) - 1:05d}-of-{len(files):05d}.parquet")
    assert pq.ParquetFile(files[0]).num_row_groups > 1
    rows = [row for table in tables for row in table.to_pylist()]
    assert rows == pq.read_table(whole.folder / "data" / "loo-train-00000-of-00001.parquet").to_pylist()


def test_unavailable_parts_are_skipped_with_a_reason(hostile: Corpus, tmp_path: Path) -> None:
    outcome = export(hostile, tmp_path / "out", "search")[0]
    assert outcome.export is not None
    assert set(outcome.export.parts) == {"loo_train", "loo_validation", "loo_test"}
    assert "no users for split new-user" in outcome.export.skipped["new-user-test"]
    card = (outcome.folder / "README.md").read_text()
    assert "* `new-user-test`: corpus 'hostile' has no users" in card and "split: new_user_test" not in card


def test_unavailable_tasks_are_skipped(hostile: Corpus, tmp_path: Path) -> None:
    manifest = hostile.folder / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["files"]["explanations.parquet"]
    manifest.write_text(json.dumps(content))
    (hostile.folder / "explanations.parquet").unlink()
    done, refused = export(hostile, tmp_path / "out", "search", "explanation")
    assert done.export is not None and refused.export is None
    assert "no reviews" in refused.reason and not refused.folder.exists()
    with pytest.raises(UsageError, match="nothing to export: corpus 'hostile' has no reviews"):
        export(hostile, tmp_path / "none", "explanation")


def test_only_the_chosen_splits_options_and_views(planted: Corpus, tmp_path: Path) -> None:
    changes = {"splits": ("new-user",), "options": {"most": "2"}, "views": ("NT",)}
    outcome = export(planted, tmp_path / "out", "selection", **changes)[0]
    assert outcome.export is not None and outcome.folder == tmp_path / "out" / "planted+NT" / "selection"
    assert list(outcome.export.parts) == ["new_user_test"] and outcome.export.options["most"] == 2
    facts = outcome.export.parts["new_user_test"]
    assert sum(facts.candidates.values()) == sum(facts.suitable.values()) == facts.examples
    assert max(facts.candidates) <= 5 and outcome.export.fingerprint != planted.fingerprint
    items = pq.read_table(outcome.folder / "items.parquet").to_pylist()
    missing = sum(item["attributes"]["title"] is None for item in items)
    assert missing and sum("Title Unknown" in item["words"] for item in items) == missing
    with pytest.raises(UsageError, match="one task"):
        export(planted, tmp_path / "out", "selection", "search", options={"most": "2"})


def test_the_record_reads_back(planted: Corpus, tmp_path: Path) -> None:
    outcome = export(planted, tmp_path / "out", "selection")[0]
    assert Export.model_validate_json((outcome.folder / RECORD_NAME).read_bytes()) == outcome.export
    assert Export.there(outcome.folder) and not Export.there(tmp_path)


def test_hostile_names_are_plain_text(hostile: Corpus, tmp_path: Path) -> None:
    for outcome in export(hostile, tmp_path / "out", *FAST, "explanation"):
        rows = pq.read_table(outcome.folder / "data").to_pylist()
        assert {row["user"] for row in rows} == set(hostile.users.names)
        if outcome.task == "search":
            assert all(row["instruction"].startswith("{items} > kind <") for row in rows)
        card = (outcome.folder / "README.md").read_text()
        assert "<script>" not in card and "none \\*at\\* all &lt;script&gt;" in card and "test \\| &lt;i&gt;" in card
        if outcome.task == "explanation":
            assert "rule of this project" in card
    outside = [path for path in tmp_path.rglob("*") if path.name in ("x", "x.parquet")]
    assert not outside


def test_missing_ratings_and_pictures_are_null(hostile: Corpus, tmp_path: Path) -> None:
    outcome = export(hostile, tmp_path / "out", "preference")[0]
    rows = pq.read_table(outcome.folder / "data").to_pylist()
    ratings = [rating for row in rows for rating in row["history_ratings"]]
    assert None in ratings and all(rating is None or rating == rating for rating in ratings)
    assert all((path is None) == (item == "i5") for row in rows for item, path in _shown(row))
    assert {row["target"] for row in rows} == {f"{row['target_rating']:g}" for row in rows}


def _shown(row: dict[str, list[str]]) -> list[tuple[str, str]]:
    return list(zip(row["shown"], row["shown_pictures"], strict=True))


def test_changes_of_a_dataset_do_not_reach_the_corpus(planted: Corpus, tmp_path: Path) -> None:
    first, second = export(planted, tmp_path / "out", "search", "recommendation")
    path = planted.items.picture(0)
    assert path is not None
    copy, link = (outcome.folder / "pictures" / path.name for outcome in (first, second))
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_ino == link.stat().st_ino != path.stat().st_ino


def test_a_picture_name_that_leaves_its_folder_is_refused(hostile: Corpus, tmp_path: Path) -> None:
    items = hostile.folder / "items.parquet"
    table = pq.read_table(items)
    names = ["../../../secret.png", *table.column("picture").to_pylist()[1:]]
    column = table.schema.get_field_index("picture")
    pq.write_table(table.set_column(column, "picture", [names]), items)
    manifest = hostile.folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["files"]["items.parquet"]["bytes"] = items.stat().st_size
    manifest.write_text(json.dumps(content))
    with pytest.raises(DataError, match="no file name"):
        export(hostile, tmp_path / "out", "search")
    assert not (tmp_path / "out" / "hostile" / "search").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_other_content_is_left_unchanged(planted: Corpus, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "out" / "planted" / "search"
    place.parent.mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    if kind == "folder":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(other)
    with pytest.raises(DataError, match="not an exported dataset"):
        export(planted, tmp_path / "out", "recommendation", "search")
    assert [path.name for path in place.parent.iterdir()] == ["search"]
    assert kind == "link" or (place / "notes.txt" if kind == "folder" else place).read_text() == "mine"


def test_a_corpus_whose_name_is_a_path_is_refused(planted: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(planted.folder, copy)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"name": "planted"', '"name": "../escaped"'))
    with pytest.raises(DataError, match="folder name"):
        export(Corpus.open(copy), tmp_path / "out", "search")
    assert not (tmp_path / "escaped").exists()


def test_a_failed_export_keeps_the_earlier_one(
    planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(planted, tmp_path / "out", "search")
    before = hashes(tmp_path / "out")

    def die(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "place_pictures", die)
        with pytest.raises(KeyboardInterrupt):
            export(planted, tmp_path / "out", "search", "recommendation")
    assert hashes(tmp_path / "out") == before


@pytest.mark.parametrize("state", ["partial", "between"])
def test_remains_of_a_killed_export_are_removed(planted: Corpus, tmp_path: Path, state: str) -> None:
    export(planted, tmp_path / "out", "search")
    before = hashes(tmp_path / "out")
    folder = tmp_path / "out" / "planted" / "search"
    if state == "between":
        folder.rename(folder.with_name(".search.old"))
    (folder.with_name(".search.partial") / "data").mkdir(parents=True)
    export(planted, tmp_path / "out", "search")
    assert hashes(tmp_path / "out") == before


def test_a_corpus_of_the_same_name_replaces_the_dataset(planted: Corpus, tmp_path: Path) -> None:
    from unimp_bench.testing.planted import write_planted_corpus

    first = export(planted, tmp_path / "out", "search")[0].export
    write_planted_corpus(tmp_path / "other" / "planted", seed=1)
    second = export(Corpus.open(tmp_path / "other" / "planted"), tmp_path / "out", "search")[0].export
    assert first is not None and second is not None and first.fingerprint != second.fingerprint
    card = (tmp_path / "out" / "planted" / "search" / "README.md").read_text()
    assert second.fingerprint in card and first.fingerprint not in card


@pytest.mark.slow
def test_all_six_of_the_sample_load(sample: Corpus, datasets: Any, tmp_path: Path) -> None:
    outcomes = export(sample, tmp_path / "out", *registry.task_cards())
    assert len(outcomes) == 6
    for outcome in outcomes:
        loaded = datasets.load_dataset(str(outcome.folder))
        assert outcome.export is not None and len(loaded) == 5
        assert {name: len(rows) for name, rows in loaded.items()} == {
            name: part.examples for name, part in outcome.export.parts.items()
        }
        row = loaded["loo_test"][0]
        assert row["target"] and all((outcome.folder / path).is_file() for path in row["target_pictures"])
        if outcome.task == "image_generation":
            assert all(code.isdigit() for code in row["target"].split())
