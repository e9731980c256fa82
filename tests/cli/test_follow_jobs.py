"""Following a tuning job reads little, and misses no change."""

from __future__ import annotations

from typing import Any

from tuner.cli.follow import Follower


class Pages:
    """Answers as the owner does, from a list of statuses; counts the pages."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.pages = 0

    def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        if operation == "DescribeHyperParameterTuningJob":
            running = self.statuses.count("InProgress")
            return {"TrainingJobStatusCounters": {"InProgress": running}}
        self.pages += 1
        newest_first = list(enumerate(self.statuses))[::-1]
        start = int(params.get("NextToken", 0))
        page = newest_first[start : start + params["MaxResults"]]
        answer: dict[str, Any] = {
            "TrainingJobSummaries": [
                {"TrainingJobName": f"job-{number}", "TrainingJobStatus": status}
                for number, status in page
            ]
        }
        if start + len(page) < len(newest_first):
            answer["NextToken"] = str(start + len(page))
        return answer


def names(jobs: Any) -> list[str]:
    return [item["TrainingJobName"] for item in jobs]


def test_every_change_is_told_once_oldest_first() -> None:
    pages = Pages()
    follower = Follower(pages, "any")  # type: ignore[arg-type]
    pages.statuses = ["InProgress", "InProgress"]
    assert names(follower.look(0).changed) == ["job-0", "job-1"]
    assert follower.look(0).changed == []
    pages.statuses = ["Completed", "InProgress", "InProgress"]
    assert names(follower.look(0).changed) == ["job-0", "job-2"]
    pages.statuses = ["Completed"] * 3
    assert names(follower.look(0).changed) == ["job-1", "job-2"]


def test_a_slow_old_job_is_not_lost_among_many_new_ones() -> None:
    pages = Pages()
    follower = Follower(pages, "any")  # type: ignore[arg-type]
    pages.statuses = ["InProgress"]
    follower.look(0)
    pages.statuses = ["InProgress"] + ["Completed"] * 450
    look = follower.look(0)
    assert len(look.changed) == 450
    assert names(look.training_jobs)[0] == "job-0"
    pages.statuses[0] = "Failed"
    assert names(follower.look(0).changed) == ["job-0"]


def test_a_look_at_a_long_job_reads_one_page() -> None:
    pages = Pages()
    follower = Follower(pages, "any")  # type: ignore[arg-type]
    pages.statuses = ["Completed"] * 10_000 + ["InProgress"] * 2
    follower.look(0)
    follower.look(0)
    assert pages.pages == 2
