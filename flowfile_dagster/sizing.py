"""How the cores of a machine are shared out between steps that run at the same time and Polars' threads in each."""

from __future__ import annotations


def steps_at_once(cores: int) -> int:
    """Half as many steps as cores: each then has two threads, and a step that waits for a disk leaves one free."""
    return max(1, cores // 2)


def threads_per_step(cores: int) -> int:
    """Polars' threads in each step, so that all steps together have no more threads than there are cores."""
    return max(1, cores // steps_at_once(cores))
