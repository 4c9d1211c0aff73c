"""Pictures: one sequence of picture codes per example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unimp_bench.kinds.base import Column, Kind, Setting, evenly, hidden_blocks, must_be
from unimp_bench.kinds.predictions import AnswerError, AnswerReader, Fields, listed, whole

if TYPE_CHECKING:
    from unimp_bench.contracts import Model
    from unimp_bench.kinds.base import Setting
    from unimp_bench.metrics.scores import Scores
    from unimp_bench.records import Examples, IntArray, Protocol


VALIDATION_PICTURES = 500
"""Pictures that are generated for one validation score."""


def checked_codes(given: IntArray, examples: Examples, label: str) -> IntArray:
    """What a model painted, (n, length) int64, held to what ``Painter.paint`` promises.

    Raises:
        ModelError: it has a wrong shape or type, or a number that is no code.
    """
    import numpy as np

    from unimp_bench.errors import ModelError

    assert examples.pictures is not None
    shape, size = (len(examples), examples.pictures.length), examples.pictures.size
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "iu" or given.shape != shape:
        raise ModelError(f"{label} gave no integer codes of shape {shape}")
    if given.size and not 0 <= given.min() <= given.max() < size:
        raise ModelError(f"{label} gave codes outside 0..{size - 1}")
    return given.astype(np.int64)


class PictureKind(Kind):
    """Predictions are (n, length) codes."""

    name = "picture"
    columns = (
        Column("Token accuracy", interval=True),
        Column("Colour similarity", interval=True),
        Column("SSIM"),
        Column("CLIP-I"),
        Column("CLIP-T"),
        Column("CMMD", higher_is_better=False),
    )
    main = compared = "Token accuracy"
    reported = ""

    def predict(self, model: Model[Any], examples: Examples, setting: Setting) -> IntArray:
        import numpy as np

        from unimp_bench.contracts import Painter
        from unimp_bench.guard import blamed

        must_be(model, Painter, setting.label, setting.task.name)
        assert examples.pictures is not None
        parts = []
        for block in hidden_blocks(examples, setting.label, "generating"):
            with blamed(model, setting.label, "paint"):
                given = model.paint(block)  # type: ignore[attr-defined]
            parts.append(checked_codes(given, block, setting.label))
        return np.concatenate(parts)

    def scores(self, prediction: IntArray, examples: Examples, setting: Setting) -> Scores:
        from unimp_bench.kinds.drawing import task_tokenizer
        from unimp_bench.metrics.pictures import picture_scores

        assert examples.targets is not None and examples.queries is not None and examples.pictures is not None
        assert setting.resources is not None
        options = setting.task.config
        tokenizer = task_tokenizer(setting.corpus.items, options.tokenizer, options.weights, setting.cache)
        paths = [setting.corpus.items.picture(int(item)) for item in examples.targets]
        queries = [examples.query_texts[int(query)] for query in examples.queries]
        return picture_scores(
            prediction,
            examples.pictures.of(examples.targets),
            tokenizer.decode(prediction),
            [path for path in paths if path is not None],
            queries,
            setting.resources.clip,
        )

    def answers(self, prediction: IntArray, examples: Examples) -> list[bytes]:
        """The codes of each picture."""
        return [row.tobytes() for row in prediction]

    def validation(self, model: Model[Any], examples: Examples, setting: Setting) -> dict[Protocol, float]:
        """Token accuracy over at most ``VALIDATION_PICTURES`` examples, evenly spaced."""
        import numpy as np

        some = evenly(examples, VALIDATION_PICTURES)
        assert some.pictures is not None and some.targets is not None
        return {"paper": float(np.mean(self.predict(model, some, setting) == some.pictures.of(some.targets)))}

    def table(self, prediction: IntArray, examples: Examples, setting: Setting) -> dict[str, Any]:
        import numpy as np

        assert examples.targets is not None
        items = np.array(setting.corpus.items.names, dtype=object)
        return {"target": items[examples.targets].tolist(), "codes": prediction.tolist()}

    def account(self, examples: int, catalogue: int, protocol: str) -> str:
        return f"{examples:,} test pictures"


class PictureReader(AnswerReader):
    """``codes`` are those of the task's tokenizer, row-major over the picture."""

    columns = ("codes",)
    ignored = ("target",)

    def __init__(self, examples: Examples, setting: Setting) -> None:
        assert examples.pictures is not None
        self._size = examples.pictures.size
        self._codes = np.zeros((len(examples), examples.pictures.length), dtype=np.int64)

    def take(self, example: int, fields: Fields) -> None:
        length = self._codes.shape[1]
        codes = listed(fields.get("codes"), "codes")
        if len(codes) != length:
            raise AnswerError(f"has {len(codes)} codes; the tokenizer writes a picture in {length}")
        numbers = [whole(code, "a code") for code in codes]
        if not 0 <= min(numbers) <= max(numbers) < self._size:
            raise AnswerError(f"has codes outside 0..{self._size - 1}, which are the tokenizer's")
        self._codes[example] = numbers

    def finish(self) -> IntArray:
        return self._codes
