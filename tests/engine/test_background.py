"""Whoever waits for a plan can be interrupted, and the process can end before the plan has."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import polars as pl
import pytest

from flowfile_dagster.engine.background import result_of, start
from flowfile_dagster.engine.collect import Engine, collect

#: Interrupts itself while a plan runs that takes longer than any test waits, and tells by its exit code that it ended.
INTERRUPTED = """
import os, signal, sys, threading, time
import polars as pl
from flowfile_dagster.engine.background import result_of, start
from flowfile_dagster.engine.collect import collect
from flowfile_dagster.engine.rendezvous import Rendezvous
signal.signal(signal.SIGINT, signal.default_int_handler)
running = threading.Event()
def endless(table):
    running.set()
    time.sleep(600)
    return table
plan = pl.LazyFrame({"a": [1]}).map_batches(endless)
def interrupt():
    running.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    WAIT
except KeyboardInterrupt:
    sys.exit(7)
"""
#: Two plans of a bundle.
MEETING = (
    "meeting = Rendezvous(2, 'streaming'); waiting = [start(lambda: meeting.collect(plan)) for _ in range(2)]; "
    "meeting.wait_until_awaited(0); result_of(waiting[0])"
)


@pytest.fixture
def handler_of_python() -> Iterator[None]:
    """As Dagster takes signals: set after Polars was imported, which otherwise keeps them while a plan runs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handler_of_python")
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_interrupt_ends_the_wait_for_a_plan(engine: Engine) -> None:
    running, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def wait_for_the_end(table: pl.DataFrame) -> pl.DataFrame:
        running.set()
        may_end.wait(20)
        has_ended.set()
        return table

    def interrupt() -> None:
        running.wait(20)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        collect(pl.LazyFrame({"a": [1]}).map_batches(wait_for_the_end), engine)
    assert not has_ended.is_set()
    may_end.set()
    assert collect(pl.LazyFrame({"a": [2]}), engine).rows() == [(2,)]


@pytest.mark.parametrize("wait", ["collect(plan)", "result_of(start(lambda: collect(plan)))", MEETING])
def test_process_that_is_interrupted_ends_before_its_plan(wait: str) -> None:
    code = INTERRUPTED.replace("WAIT", wait)
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 7


def test_error_of_the_work_is_raised_where_its_result_is_wanted() -> None:
    with pytest.raises(ZeroDivisionError):
        result_of(start(lambda: 1 / 0))
    assert result_of(start(lambda: 1)) == 1
