"""Command-line options in a TOML file: ``unimp-bench run --file run.toml``.

A key is the name of an option without ``--``. Repeatable options are arrays, those of KEY=VALUE tables::

    task = "recommendation"
    model = "sasrec"
    corpus = "sample"
    set = {epochs = 20}

Options of the command line have precedence over the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from unimp_bench.errors import DataError, did_you_mean

_LARGEST = 1 << 20
_PAIRS = "KEY=VALUE"


def read_options(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    """Make the content of a file the defaults of the command's other options.

    Raises:
        DataError: the file cannot be read, is not TOML, or has a key or type that the command does not take.
    """
    if path is None:
        return
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is larger than {_LARGEST:,} bytes: no description of a run")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    known = {_key(each): each for each in context.command.params if isinstance(each, click.Option) and each != option}
    defaults = {}
    for key, value in content.items():
        if key not in known:
            raise DataError(f"{path}: unknown key {key!r}{did_you_mean(key, list(known))}")
        defaults[str(known[key].name)] = _value(known[key], value, f"{path}: {key}")
    context.default_map = {**(context.default_map or {}), **defaults}


file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=read_options,
    help="Options from a TOML file, see 'unimp-bench runs show --toml'; those of the command line have precedence.",
)


def as_toml(command: click.Command, arguments: Sequence[str]) -> str:
    """The file with the options that ``arguments`` give to a command.

    Raises:
        click.ClickException: the command does not take them.
    """
    context = command.make_context(command.name, list(arguments), resilient_parsing=False)
    lines = []
    for option in command.params:
        source = context.get_parameter_source(str(option.name))
        if source is not click.core.ParameterSource.COMMANDLINE or not option.name:
            continue
        lines.append(f"{_key(option)} = {_written(context.params[option.name], option)}")
    return "\n".join(lines) + "\n"


def _key(option: click.Parameter) -> str:
    return max(option.opts, key=len).lstrip("-")


def _value(option: click.Option, value: Any, place: str) -> Any:
    """A value of the file as click takes it."""
    if option.metavar == _PAIRS:
        if not isinstance(value, dict):
            raise DataError(f"{place} takes a table, such as {{key = 1}}")
        return [f"{key}={_scalar(each, place)}" for key, each in value.items()]
    if option.multiple:
        if not isinstance(value, list):
            raise DataError(f"{place} takes an array")
        return [_scalar(each, place) for each in value]
    if option.is_flag:
        if not isinstance(value, bool):
            raise DataError(f"{place} takes true or false")
        return value
    return _scalar(value, place)


def _scalar(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise DataError(f"{place} takes a text or a number")
    return str(value)


def _written(value: Any, option: click.Parameter) -> str:
    if isinstance(option, click.Option) and option.metavar == _PAIRS:
        pairs = (each.partition("=") for each in value)
        return "{" + ", ".join(f"{_quoted(key)} = {_quoted(each)}" for key, _, each in pairs) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else _quoted(value)


def _quoted(text: object) -> str:
    """A basic string of TOML, of one line."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in escaped) + '"'
