"""Files are there whole or not at all, a full disk is named with the file, and damaged caches are made again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from baselines.learning.training import Snapshot
from tests.damage import DAMAGES, damage, full_disk
from unimp_bench.files import disk_error, kept_array, mapped, storing, write_atomically, written

_TOKENIZER = Tokenizer(WordLevel({f"word{number}": number for number in range(2000)}, unk_token="word0"))
MANY = np.random.default_rng(0).integers(0, 2**60, 5000)


def _through(write: Callable[[Path], object]) -> Callable[[Path], None]:
    def whole(path: Path) -> None:
        with written(path) as partial:
            write(partial)

    return whole


WRITERS: dict[str, Callable[[Path], object]] = {
    "text.json": lambda path: write_atomically(path, "x" * 20_000),
    "array.npy": _through(lambda path: np.save(path, MANY)),
    "snapshot.safetensors": lambda path: Snapshot({"many": torch.from_numpy(MANY)}, {}).write(path),
    "table.parquet": _through(lambda path: pq.write_table(pa.table({"many": MANY}), path)),
    "tokenizer.json": _through(lambda path: _TOKENIZER.save(str(path))),
    "mapped.npy": _through(lambda path: mapped(path, np.int64, (5000,)).__setitem__(slice(None), MANY)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    write, path = WRITERS[name], tmp_path / name
    with full_disk(10_000), pytest.raises(OSError, match=r"File too large|No space left") as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [], "neither the file nor a part of it"
    write(path)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (Exception("File too large (os error 27)"), errno.EFBIG),
        (OSError("5000 requested and 1231 written"), errno.ENOSPC),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), errno.EDQUOT),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
        (Exception("No such file or directory (os error 2)"), None),
        (ValueError("x"), None),
    ],
)
def test_disk_errors_of_libraries_are_recognised(error: Exception, number: int | None) -> None:
    assert disk_error(error) == number


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught, storing(tmp_path):
        raise error
    assert caught.value is error


def test_of_a_copy_the_file_that_is_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught, storing(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "from.png", None, str(tmp_path / "to.png"))
    assert caught.value.filename == str(tmp_path / "to.png")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_cache_is_made_again(how: str, tmp_path: Path) -> None:
    path, made = tmp_path / "kept.npy", []

    def fill(partial: Path) -> None:
        made.append(partial)
        np.save(partial, MANY)

    assert np.array_equal(kept_array(path, fill, len(MANY)), MANY)
    damage(path, how)
    assert np.array_equal(kept_array(path, fill, len(MANY)), MANY) and len(made) == 2
    kept = kept_array(path, fill, len(MANY))
    assert len(made) == 2 and not kept.flags.writeable


def test_a_cache_of_another_number_of_rows_is_made_again(tmp_path: Path) -> None:
    np.save(tmp_path / "kept.npy", MANY[:-1])
    assert len(kept_array(tmp_path / "kept.npy", lambda partial: np.save(partial, MANY), len(MANY))) == len(MANY)
