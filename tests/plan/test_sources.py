"""The state of files that are looked at."""

from pathlib import Path

from flowfile_dagster.contract.node_type import Source
from flowfile_dagster.plan.sources import fingerprint_sources, source_version
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
