"""Arguments that several commands have: values for parameters, where paths stand, and the stores of results."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from flowfile_dagster.errors import ParameterError, StoreError
from flowfile_dagster.store.store import ResultStore


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Register ``--param``."""
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter's value")


def parameters(options: argparse.Namespace) -> Mapping[str, str]:
    """The values given for the parameters of `options.flow`, by name.

    Raises:
        ParameterError: one of them is no name with a value.
    """
    values: dict[str, str] = {}
    for item in options.param:
        name, equals, value = item.partition("=")
        if not equals:
            raise ParameterError(options.flow.stem, item, "write --param NAME=VALUE")
        values[name.strip()] = value.strip()
    return values


def row_count(text: str) -> int:
    """A number of rows, for argparse."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; write 0 or more")
    return int(text)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Register ``--root``."""
    parser.add_argument("--root", type=Path, help="the folder that relative paths in flows stand under")


def add_stores(parser: argparse.ArgumentParser, help_text: str, *, is_required: bool = False) -> None:
    """Register ``--store`` and ``--read-from``."""
    parser.add_argument("--store", required=is_required, help=help_text)
    parser.add_argument("--read-from", metavar="STORE", help="use the results of this store too; it is not written")


def open_stores(options: argparse.Namespace) -> ResultStore | None:
    """The store that was given, over the one to read from; None where none was given.

    Raises:
        StoreError: there is one to read from but none to write to, or one of them cannot be used.
    """
    if options.store is None and options.read_from is not None:
        raise StoreError(options.read_from, "--read-from needs --store, where new results are kept")
    return None if options.store is None else ResultStore(options.store, read_from=options.read_from)
