"""Work in threads that nobody has to wait for: not who is interrupted meanwhile, and not the end of the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

_Result = TypeVar("_Result")
_Tasks: TypeAlias = SimpleQueue[tuple[Future[Any], Callable[[], Any]]]

#: The threads that have nothing to do, by what they are told in. A new thread costs six times as much as one of these.
_idle: list[_Tasks] = []
#: How long an interrupt may go unnoticed that comes in the moment in which a wait begins.
LOOK_UP_SECONDS = 1.0
#: How long work that was told to stop may take to remove what it has not finished.
_SECONDS_TO_CLEAN_UP = 5
if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_idle.clear)


def start(work: Callable[[], _Result]) -> Future[_Result]:
    """Do something in a thread of its own; `result_of` waits for it."""
    try:
        tasks = _idle.pop()
    except IndexError:
        tasks = SimpleQueue()
        Thread(target=_work, args=(tasks,), name="flowfile", daemon=True).start()
    future: Future[_Result] = Future()
    tasks.put((future, work))
    return future


def result_of(future: Future[_Result]) -> _Result:
    """What came of it. An interrupt ends the wait, and not the work."""
    while not future.done():
        wait((future,), LOOK_UP_SECONDS)
    return future.result()


def let_end(futures: Collection[Future[Any]]) -> None:
    """Leave work that was told to stop a moment to do so."""
    wait(futures, _SECONDS_TO_CLEAN_UP)


def _work(tasks: _Tasks) -> None:
    while True:
        _do(tasks)


def _do(tasks: _Tasks) -> None:
    """Do one thing; what it gave must not outlive it here, so this is a function of its own."""
    future, work = tasks.get()
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
        _idle.append(tasks)
        future.set_exception(error)
    else:
        _idle.append(tasks)
        future.set_result(result)
