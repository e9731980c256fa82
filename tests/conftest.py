"""Options of the whole suite: what must not be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


# A bundled container runs as a process whether its image was built meanwhile or not; what is about
# another backend says so.
os.environ.setdefault("TUNER_BACKEND", "process")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        help="comma-separated parts that must be there: a test that skips for one of them fails",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn `pytest.skip("needs PART: ...")` into a failure where PART is required."""
    return _held_to_requirements(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips as a whole."""
    return _held_to_requirements(collector.config, (yield))


def _held_to_requirements(config: pytest.Config, report: Report) -> Report:
    required = set(filter(None, config.getoption("--require").split(",")))
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if any(f"needs {part}" in reason for part in required):
            report.outcome = "failed"
            report.longrepr = f"required part missing: {reason}"
    return report
