"""``flowfile-dagster test PATH…``: run the unit tests beside flow files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from flowfile_dagster.cli.arguments import add_root
from flowfile_dagster.errors import SelectionError
from flowfile_dagster.testing.cases import tests_path
from flowfile_dagster.testing.runner import FlowTestResult, find_tests


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("test", help="run the tests in the .tests.yaml files beside flows")
    parser.add_argument("paths", nargs="+", type=Path, help="flow files, or folders to search for them")
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run every test; exit code 1 if one failed.

    Raises:
        FlowFileError: a file with tests cannot be used.
        SelectionError: there is no test at all.
    """
    tests = [test for path in options.paths for test in find_tests(path, root=options.root)]
    if not tests:
        shown = ", ".join(str(path) for path in options.paths)
        raise SelectionError(f"no tests for {shown}: write them into {tests_path(Path('<flow>.yaml'))} beside the flow")
    results: list[FlowTestResult] = []
    for test in tests:
        results.append(test.run())
        if not options.json:
            print(_render(results[-1]), flush=True)
    passed = sum(result.is_success for result in results)
    if options.json:
        print(json.dumps([_to_json(result) for result in results], indent=2, ensure_ascii=False))
    else:
        print(f"{passed} of {len(results)} tests passed")
    return 0 if passed == len(results) else 1


def _render(result: FlowTestResult) -> str:
    return "\n  ".join([f"{'ok  ' if result.is_success else 'FAIL'} {result.test}", *result.failures])


def _to_json(result: FlowTestResult) -> dict[str, object]:
    return {
        "flow": str(result.test.flow),
        "test": result.test.name,
        "is_success": result.is_success,
        "failures": list(result.failures),
    }
