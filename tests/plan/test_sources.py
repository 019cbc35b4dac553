"""The state of files that are looked at, and which paths a pattern stands for."""

from pathlib import Path

import pytest

from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.plan.sources import belongs_to, fingerprint_sources, source_version
from flowfile_dagster.store.digest import hash_source


def test_fingerprint_of_a_listing_with_a_link_that_leads_nowhere_changes_when_it_leads_somewhere(
    tmp_path: Path,
) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "later.csv")
    source = Source(str(tmp_path), (link,), content=False, pattern=f"{tmp_path}/*")
    before = fingerprint_sources([source], hash_source), source_version(source, hash_source)
    (tmp_path / "later.csv").write_text("k")
    after = fingerprint_sources([source], hash_source), source_version(source, hash_source)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("path", "pattern", "belongs"),
    [
        ("/d/a.csv", "/d/a.csv", True),
        ("/d/a.csv", "/d/*.csv", True),
        ("/d/x/a.csv", "/d/*.csv", False),
        ("/d/a.csv", "/d/**/*.csv", True),
        ("/d/x/y/a.csv", "/d/**/*.csv", True),
        ("/d/x/y/a.csv", "/d/**/**/y/**/*.csv", True),
        ("/d/x/y/a.csv", "/d/**/x/**/x/**", False),
        ("/d/x/y", "/d/**", True),
        ("/d", "/d/**", True),
        ("/e/x", "/d/**", False),
        ("/d/x", "/d/x/y", False),
    ],
)
def test_path_belongs_to_a_pattern_that_stands_for_it(path: str, pattern: str, belongs: bool) -> None:
    assert belongs_to(path, pattern) is belongs


def test_path_is_compared_with_a_pattern_of_many_stars_in_one_pass() -> None:
    assert not belongs_to("/d" * 60, "/**/d" * 30 + "/a.csv")
