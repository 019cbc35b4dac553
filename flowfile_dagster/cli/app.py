"""The command line: joins the commands, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from flowfile_dagster.cli.output import plain_output
from flowfile_dagster.errors import FlowfileDagsterError

EXIT_UNUSABLE = 2
#: What a shell gives for a program that SIGINT or SIGPIPE ends.
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
_EXIT_CODES = """\
exit codes:
  0  success
  1  the answer is a bad one: a node or test fails, results differ, a change breaks something, a store is damaged
  2  there is no answer: the command, a flow file or a folder is not usable
  130, 141  stopped before the end: by Ctrl-C, or because nobody reads the output
"""

_COMMANDS = ("check", "show", "lineage", "impact", "run", "test", "diff", "bundle", "gc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    with plain_output():
        try:
            code = _run(sys.argv[1:] if arguments is None else arguments)
            print(end="", flush=True)
            return code
        except FlowfileDagsterError as error:
            print(error, file=sys.stderr)
            return EXIT_UNUSABLE
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            return EXIT_UNREAD
        except OSError as error:
            print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
            return EXIT_UNUSABLE


def _run(given: Sequence[str]) -> int:
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
    return int(options.execute(options))


if __name__ == "__main__":
    sys.exit(main())
