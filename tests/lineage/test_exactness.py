"""Lineage is what really moves: every source column is given other values, and nothing else is believed.

See `tests.lineage.moves` for how rows are kept where they are meanwhile.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flowfile_dagster import load_flow
from tests.conformance.case import HERE, case_names
from tests.conformance.test_template_flows import TEMPLATES, load_template, template_names
from tests.factories import formula, join, manual, node, write_flow
from tests.lineage.exactness import Verdict, known_columns, verify
from tests.lineage.moves import Bench

#: Less than this share of the columns must not be exact.
WANTED = 0.95


@cache
def verdict_of_case(name: str) -> Verdict:
    with TemporaryDirectory() as folder:
        (Path(folder) / "out").mkdir()
        text = (HERE / "flows" / name).read_text(encoding="utf-8")
        path = Path(folder) / name
        path.write_text(text.replace("__DATA__", str(HERE / "data")).replace("__OUT__", f"{folder}/out"), "utf-8")
        return verdict(path)


@cache
def verdict_of_template(name: str) -> Verdict:
    with TemporaryDirectory() as folder:
        return verdict(load_template(name, Path(folder)).graph.path)


def verdict(path: Path) -> Verdict:
    flow = load_flow(path)
    bench = Bench(flow)
    return verify(flow, bench, known_columns(flow, bench))


@pytest.mark.parametrize("name", case_names())
def test_column_that_moves_with_a_source_column_names_it_as_its_origin(name: str) -> None:
    assert verdict_of_case(name).wrong == []


@pytest.mark.slow
def test_lineage_of_the_corpus_is_exact_for_nearly_every_column() -> None:
    verdicts = [verdict_of_case(name) for name in case_names()]
    assert sum(item.exact for item in verdicts) >= WANTED * sum(item.columns for item in verdicts)


@pytest.mark.skipif(not TEMPLATES.is_dir(), reason="FLOWFILE_TEMPLATES names no copy of Flowfile's templates")
def test_lineage_of_the_templates_is_never_wrong_and_exact_for_nearly_every_column() -> None:
    verdicts = [verdict_of_template(name) for name in template_names()]
    assert [item.wrong for item in verdicts if item.wrong] == []
    assert sum(item.exact for item in verdicts) >= WANTED * sum(item.columns for item in verdicts)


def test_origin_that_is_left_out_is_found_out_in_every_column(tmp_path: Path) -> None:
    """The check has teeth: without its origins, each column that has some is called wrong."""
    aggregates = [{"old_name": "a", "agg": "groupby"}, {"old_name": "d", "agg": "sum", "new_name": "total"}]
    nodes = [
        manual(1, {"a": [1, 2, 3, 3], "b": [10, 20, 30, 40]}),
        manual(2, {"a": [1, 3], "c": [7, 8]}),
        formula(3, 1, "d", "[a] + [b]"),
        node(4, "filter", {"filter_input": {"mode": "advanced", "advanced_filter": "[d] > 11"}}, 3),
        join(5, 4, 2, "a", "left"),
        node(6, "group_by", {"groupby_input": {"agg_cols": aggregates}}, 5),
        node(7, "sort", {"sort_input": [{"column": "total", "how": "desc"}]}, 6),
    ]
    flow = load_flow(write_flow(tmp_path / "flow.json", nodes))
    bench = Bench(flow)
    graph = known_columns(flow, bench)
    assert verify(flow, bench, graph) == Verdict(columns=15)
    for column, parents in graph.parents.items():
        if parents:
            origins = set(graph.traces[column].origins)
            wrong = {(tuple(column[1:]), tuple(origin[1:])) for origin in origins}
            found = verify(flow, bench, replace(graph, parents={**graph.parents, column: ()})).wrong
            assert wrong <= set(found), column
