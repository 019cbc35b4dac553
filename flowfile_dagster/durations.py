"""Time spans as people write them in configuration and on the command line."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: A moment so long ago has a date.
_LONGEST = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """A time span such as ``90s``, ``15m``, ``24h``, ``7d`` or ``2w``; at most a hundred years.

    Raises:
        ValueError: the text is none.
    """
    match = re.fullmatch(r"(\d{1,12})([smhdw])", text.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else None
    if seconds is None or seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is no time span; write a number and s, m, h, d or w, such as '15m'")
    return timedelta(seconds=seconds)
