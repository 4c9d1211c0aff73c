"""What a search tries: the model's own values and those that its class, or the user, names beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from unimp_bench import registry
from unimp_bench.errors import UsageError

Point = tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """A grid; a point is the place of each setting's value.

    Attributes:
        values: of each searched setting, typed, the model's own value first.
        fixed: settings that are the same everywhere, typed.
    """

    values: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]

    def __len__(self) -> int:
        size = 1
        for values in self.values.values():
            size *= len(values)
        return size

    def points(self) -> Iterator[Point]:
        """Every point; the first one is the model as it is."""
        return product(*(range(len(values)) for values in self.values.values()))

    def at(self, point: Point) -> dict[str, Any]:
        """The values at a point, by setting."""
        return {key: values[place] for (key, values), place in zip(self.values.items(), point, strict=True)}


def space_of(model: str, fixed: Mapping[str, Any], over: Mapping[str, tuple[Any, ...]]) -> Space:
    """The space of a model.

    Args:
        model: by name.
        fixed: settings for all trials.
        over: settings and their values, instead of the model's own space; values may be text.

    Raises:
        UsageError: an unknown setting, a value that does not fit, or nothing to search.
    """
    own = registry.make_model(model, settings=fixed)
    for key in over:
        if key in fixed:
            raise UsageError(f"{key} is set for all trials, so it cannot be searched as well")
    named = over or {key: values for key, values in type(own).space.items() if key not in fixed}
    if not named:
        raise UsageError(f"{model} names no settings to search; name some with --over KEY=VALUE,VALUE")
    return Space(
        values={key: _values(model, fixed, key, values) for key, values in named.items()},
        fixed={key: _plain(getattr(own.config, key)) for key in fixed},
    )


def _values(model: str, fixed: Mapping[str, Any], key: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The model's own value and the others, each as the configuration holds it, none twice."""
    changes: list[dict[str, Any]] = [{}, *({key: value} for value in values)]
    made = [registry.make_model(model, settings={**fixed, **change}).config for change in changes]
    found = [_plain(getattr(config, key)) for config in made]
    return tuple({json.dumps(value): value for value in found}.values())


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))
