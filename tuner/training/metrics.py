"""Log lines to metric points, by AWS's rules.

Source: the developer guide, automatic-model-tuning-define-metrics and training-metrics; that
control characters are escaped (TAB is `#011`) shows in the regexes of the built-in XGBoost.
"""

from __future__ import annotations

import logging
import math
import re
import struct
import time
from collections.abc import Iterator, Sequence

import regex as regular_expressions

from tuner.domain.definitions import MetricDefinition
from tuner.domain.jobs import MetricPoint
from tuner.domain.ports import LogLine
from tuner.training.nearest import NearestLines, shortened
from tuner.training.patterns import expansion, required_text

_SEARCH_SECONDS = 0.1
"""One search in one line is given up after that long."""
_WASTED_SECONDS = 1.0
"""CPU time beyond the usual after which a regex is not searched for any more."""
_USUAL_SECONDS = 0.001
_USUAL_SECONDS_PER_CHARACTER = 1e-7
_MAX_EXPANSION = 20_000
"""About 300 bytes of memory each."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPES = {chr(code): f"#{code:03o}" for code in (*range(32), 127)}
_ESCAPED_CONTROL = re.compile(r"#(?:0[0-3][0-7]|177)")
_FLOAT32 = struct.Struct("f")

_log = logging.getLogger(__name__)


def regex_fault(regex: str) -> str | None:
    """Why a metric's regex cannot be used; None when it can."""
    if expansion(regex) > _MAX_EXPANSION:
        return f"The regular expression {regex!r} repeats too much to be used: use + or *."
    try:
        regular_expressions.compile(regex)
    except (regular_expressions.error, ValueError, OverflowError, RecursionError) as error:
        return f"The regular expression {regex!r} is not valid: {error}."
    return None


def escaped(text: str) -> str:
    """A line as CloudWatch Logs has it: control characters as `#` and three octal digits."""
    if text.isprintable():
        return text
    return _CONTROL.sub(lambda match: _ESCAPES[match.group()], text)


def number(text: str) -> float | None:
    """A captured text as a metric value, rounded to float32; None for what is no finite number.

    A control character ends it: `(\\S+)` runs over an escaped TAB that it would not match raw.
    """
    if "_" in text:  # Python's own idea of a number
        return None
    try:
        value = float(_ESCAPED_CONTROL.split(text, 1)[0])
        rounded: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except (ValueError, OverflowError):
        return None
    return rounded if math.isfinite(rounded) else None


class MetricScraper:
    """Finds the metrics of one training job in its lines, one by one.

    Each definition is searched for in the escaped line and, where that gives no number, in the
    line as it is; its first match counts, and of it the first group (the whole match when the
    regex has no group). A regex that is not valid finds nothing; one that takes too long is
    switched off. `resumed` says that lines before the first one seen here were read already.
    """

    def __init__(
        self,
        definitions: Sequence[MetricDefinition],
        objective: str | None,
        *,
        resumed: bool = False,
    ) -> None:
        names: dict[str, list[str]] = {}
        for item in definitions:
            names.setdefault(item.regex, []).append(item.name)
        self._searches = [
            _Search(regex, tuple(same))
            for regex, same in names.items()
            if regex_fault(regex) is None
        ]
        self._objective = objective
        wanted = (item.regex for item in definitions if item.name == objective)
        self._objective_regex = next(wanted, None)
        self._nearest = (
            NearestLines(self._objective_regex) if self._objective_regex is not None else None
        )
        self._lines = 0
        self._resumed = resumed
        self._no_number: tuple[str, str] | None = None
        self.objective_seen = False

    def scan(self, line: LogLine) -> Iterator[MetricPoint]:
        """The points of one line, at most one per definition."""
        self._lines += 1
        text = escaped(line.text)
        forms = (text,) if text == line.text else (text, line.text)
        for search in self._searches:
            value = self._value(search, forms)
            if value is None:
                continue
            for name in search.names:
                self.objective_seen |= name == self._objective
                yield MetricPoint(
                    name=name, value=value, time=line.time / 1_000_000_000, host=line.host
                )
        if self._nearest is not None and not self.objective_seen:
            self._nearest.consider(text)

    def _value(self, search: _Search, forms: tuple[str, ...]) -> float | None:
        for form in forms:
            if search.required in form and (captured := search.first(form)) is not None:
                value = number(captured)
                if value is not None:
                    return value
                if search.regex == self._objective_regex:
                    self._no_number = (captured, form)
        return None

    def diagnosis(self) -> str:
        """Why the objective has no value: which regex found nothing, and the nearest lines."""
        if self._objective_regex is None or self._nearest is None:
            return f"No metric definition is named like the objective, {self._objective!r}."
        fault = regex_fault(self._objective_regex)
        if fault is not None:
            return f"The objective metric {self._objective} cannot be found. {fault}"
        since = " read since the service restarted" if self._resumed else ""
        regex = shortened(self._objective_regex, 250)
        if not self._lines and not self._resumed:
            return (
                f"The objective metric {self._objective} has no value: the training job printed "
                f"nothing that /{regex}/ could match."
            )
        if any(item.off and item.regex == self._objective_regex for item in self._searches):
            return (
                f"The objective metric {self._objective} has no value: the search for /{regex}/ "
                "takes too long and was given up; make the regular expression more specific."
            )
        if self._no_number is not None:
            captured, text = self._no_number
            return (
                f"The objective metric {self._objective} has no value: /{regex}/ matched but "
                f"captured {shortened(captured, 60)!r}, which is no finite number, in "
                f"{shortened(text, 200)!r}."
            )
        return (
            f"No line matched the regular expression of the objective metric {self._objective}, "
            f"/{regex}/, in {self._lines:,} line{'s' if self._lines != 1 else ''}{since}"
            f"{self._nearest.summary()}."
        )


class _Search:
    """One regex and the metrics that it gives. `required` is part of every match."""

    def __init__(self, regex: str, names: tuple[str, ...]) -> None:
        self.regex = regex
        self.names = names
        self.required = required_text(regex)
        self.off = False
        self._wasted = 0.0
        self._pattern = regular_expressions.compile(regex)
        self._group = 1 if self._pattern.groups else 0

    def first(self, text: str) -> str | None:
        """What the first match captured; None without a match in time."""
        if self.off:
            return None
        started = time.thread_time()
        try:
            match = self._pattern.search(text, timeout=_SEARCH_SECONDS, concurrent=True)
        except TimeoutError:
            match = None
        usual = _USUAL_SECONDS + len(text) * _USUAL_SECONDS_PER_CHARACTER
        self._wasted += max(time.thread_time() - started - usual, 0.0)
        if self._wasted > _WASTED_SECONDS:
            self.off = True
            _log.warning("metrics %s: /%s/ takes too long, no more", self.names, self.regex)
        if match is None:
            return None
        captured: str | None = match.group(self._group)
        return captured
