"""The command line: joins the commands, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from flowfile_dagster.errors import FlowfileDagsterError

EXIT_UNUSABLE = 2
_EXIT_CODES = """\
exit codes:
  0  success
  1  the answer is a bad one: a node or test fails, results differ, a change breaks something, a store is damaged
  2  there is no answer: the command, a flow file or a folder is not usable
"""

_COMMANDS = ("check", "show", "lineage", "impact", "run", "test", "diff", "bundle", "gc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="flowfile-dagster",
        description="Flowfile flows without the editor.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('flowfile-dagster')}")
    commands = parser.add_subparsers(dest="command", required=True)
    # Importing only the command that is run saves a fifth of a second.
    for name in given[:1] if given and given[0] in _COMMANDS else _COMMANDS:
        import_module(f"flowfile_dagster.cli.{name}").add_parser(commands)
    options = parser.parse_args(given)
    try:
        return int(options.execute(options))
    except FlowfileDagsterError as error:
        print(error, file=sys.stderr)
        return EXIT_UNUSABLE
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return EXIT_UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
