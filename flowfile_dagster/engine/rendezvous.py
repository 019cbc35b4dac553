"""A meeting point where the plans of a bundle wait for each other, to be collected together."""

from __future__ import annotations

from threading import Condition

import polars as pl

from flowfile_dagster.contract.node_type import NODE_FAILURES
from flowfile_dagster.engine.background import LOOK_UP_SECONDS, start
from flowfile_dagster.engine.collect import Engine, collect_together


class Rendezvous:
    """Each of `count` threads brings a plan or leaves without one; after the last, all plans are run on `engine`.

    If they fail together, each thread has to run its own plan by itself: that finds the one that is to blame, and gives
    the others their results, since a failing sink may lose a healthy neighbour's file.
    """

    def __init__(self, count: int, engine: Engine) -> None:
        self._awaited = count
        self._engine: Engine = engine
        self._frames: list[pl.LazyFrame] = []
        self._tables: list[pl.DataFrame] | None = None
        self._interrupt: BaseException | None = None
        self._is_over = False
        self._changed = Condition()

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame | None:
        """The result of a plan, or None where it has to be run by itself.

        Waits for the other threads the first time, and not again.
        """
        with self._changed:
            place = len(self._frames)
            if not self._is_over:
                self._frames.append(frame)
        self.leave()
        with self._changed:
            self._changed.wait_for(lambda: self._is_over)
        if self._interrupt is not None:
            raise self._interrupt
        tables = self._tables or ()
        return tables[place] if place < len(tables) else None

    def leave(self) -> None:
        """Say that this thread brings no plan any more."""
        with self._changed:
            if self._is_over:
                return
            self._awaited -= 1
            is_last = self._awaited == 0
            self._changed.notify_all()
        if is_last:
            start(self._collect_all)

    def stop(self, interrupt: BaseException) -> None:
        """Wait for no plan any more: every thread raises `interrupt`, so that it leaves nothing half written."""
        with self._changed:
            self._interrupt = interrupt
            self._is_over = True
            self._changed.notify_all()

    def wait_until_awaited(self, count: int) -> None:
        """Wait until no more than `count` threads are still to come."""
        with self._changed:
            while self._awaited > count:
                self._changed.wait(LOOK_UP_SECONDS)

    def _collect_all(self) -> None:
        """Run the plans: not in a thread that waits, nor with the lock, for both would keep an interrupt waiting."""
        try:
            if len(self._frames) > 1:
                self._tables = collect_together(self._frames, self._engine)
        except NODE_FAILURES:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by every thread: none must wait for ever
            self.stop(error)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
