"""The lines that come nearest to a regex that matched none, for a message to the user."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from tuner.training.patterns import words

_KEPT = 3
_LAST = 2
_SHOWN_CHARACTERS = 120
_CONSIDERED_CHARACTERS = 2000
_DIGITS = re.compile(r"\d+")


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


class NearestLines:
    """Keeps the few lines that share most words with the regex; with a number before without.

    Lines that differ in their digits only are kept once, so that a progress bar is one line. The
    last lines are kept too, for want of better ones.
    """

    def __init__(self, regex: str) -> None:
        self._words = words(regex)
        self._kept: dict[str, tuple[tuple[int, bool], str]] = {}
        self._least = (0, False)
        self._last: deque[str] = deque(maxlen=_LAST)

    def consider(self, text: str) -> None:
        if text and not text.isspace():
            self._last.append(text)
        start = text[:_CONSIDERED_CHARACTERS]
        lowered = start.lower()
        shared = sum(word in lowered for word in self._words)
        if (shared, True) <= self._least:
            return
        form = _DIGITS.sub("0", lowered)
        score = (shared, form != lowered or "0" in form)
        if score <= self._least or form in self._kept:
            return
        self._kept[form] = (score, start)
        if len(self._kept) > _KEPT:
            worst = min(self._kept, key=lambda known: self._kept[known][0])
            del self._kept[worst]
        if len(self._kept) == _KEPT:
            self._least = min(known[0] for known in self._kept.values())

    def summary(self) -> str:
        """`; nearest: "...", "..."`, or the last lines when no line had a word or number."""
        best = sorted(self._kept.values(), key=lambda known: known[0], reverse=True)
        if best:
            return "; nearest: " + _quoted(text for _, text in best)
        if self._last:
            return "; the last: " + _quoted(self._last)
        return ""


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{shortened(text, _SHOWN_CHARACTERS)}"' for text in texts)
