"""Options of the whole suite: what must not be skipped."""

from __future__ import annotations

from collections.abc import Generator

import pytest


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
    report = yield
    required = set(filter(None, item.config.getoption("--require").split(",")))
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if required and any(f"needs {part}" in reason for part in required):
            report.outcome = "failed"
            report.longrepr = f"required part missing: {reason}"
    return report
