"""The command line: joins the commands, and turns errors into exit codes.

Exit codes: 0 success; 1 a node failed or cannot run, or two results differ; 2 the command or a
flow file is not usable.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flowfile_dagster.cli import bundle, check, diff, gc, impact, lineage, run, show, test
from flowfile_dagster.errors import FlowfileDagsterError

EXIT_UNUSABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="flowfile-dagster", description="Flowfile flows without the editor.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (check, show, lineage, impact, run, test, diff, bundle, gc):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.execute(options))
    except FlowfileDagsterError as error:
        print(error, file=sys.stderr)
        return EXIT_UNUSABLE
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
