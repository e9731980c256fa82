"""What every implementation of Records and Listings must do: subclass and say how to open one.

class TestMyRecords(RecordsConformance):
    def open(self, path): ...
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_records import DEFINITION, ELSEWHERE, SCOPE, training_job, tuning_job

from tuner.domain.definitions import OutputDataConfig, Tag, TrainingJobRequest
from tuner.domain.jobs import AttemptKey, MetricPoint
from tuner.domain.ports import Query
from tuner.domain.statuses import TrainingJobStatus, TuningJobStatus


def point(value: float, time: float = 5.0) -> MetricPoint:
    return MetricPoint(name="loss", value=value, time=time, host="algo-1")


class RecordsConformance:
    # Records and Listings in one, with `close()`; ValueError for a name that is taken.
    def open(self, path: Path) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def records(self, tmp_path: Path) -> Iterator[Any]:
        records = self.open(tmp_path / "records.db")
        yield records
        records.close()

    def reopened(self, records: Any, tmp_path: Path) -> Any:
        records.close()
        return self.open(tmp_path / "records.db")

    # ---- transactions

    def test_nothing_is_seen_before_the_commit_and_everything_after_it(self, records: Any) -> None:
        with records.transaction():
            records.put_tuning_job(tuning_job(1, "tune"))
            records.put_training_job(training_job(2, "train", tuning_job_id=1))
            assert records.find_tuning_job(SCOPE, "tune") is None
            assert records.training_job(2) is None
            assert list(records.training_jobs_of(1)) == []
        assert records.find_tuning_job(SCOPE, "tune") == tuning_job(1, "tune")
        assert records.training_job(2) == training_job(2, "train", tuning_job_id=1)

    def test_a_transaction_that_fails_leaves_nothing(self, records: Any) -> None:
        with records.transaction():
            records.put_training_job(training_job(2, "train"))
        key = AttemptKey(2, 1)
        with pytest.raises(ZeroDivisionError), records.transaction():
            records.put_tuning_job(tuning_job(1, "tune"))
            records.put_training_job(training_job(2, "train", number=9))
            records.put_points(key, [point(1.0)], 10)
            records.put_tags("arn", [Tag(key="k", value="v")])
            raise ZeroDivisionError
        assert records.find_tuning_job(SCOPE, "tune") is None
        assert records.training_job(2) == training_job(2, "train")
        assert (records.log_offset(key), list(records.points(key))) == (0, [])
        assert records.tags("arn") == {}
        with records.transaction():
            records.put_tuning_job(tuning_job(1, "tune"))
        assert records.find_tuning_job(SCOPE, "tune") == tuning_job(1, "tune")

    def test_writing_outside_a_transaction_is_refused(self, records: Any) -> None:
        with pytest.raises(RuntimeError, match="transaction"):
            records.put_tuning_job(tuning_job(1, "tune"))

    def test_writing_from_another_thread_is_refused(self, records: Any) -> None:
        caught: list[Exception] = []

        def write() -> None:
            try:
                records.put_tuning_job(tuning_job(1, "tune"))
            except RuntimeError as error:
                caught.append(error)

        with records.transaction():
            thread = threading.Thread(target=write)
            thread.start()
            thread.join()
        assert len(caught) == 1

    # ---- ids

    def test_ids_are_never_given_again(self, records: Any, tmp_path: Path) -> None:
        with records.transaction():
            given = [records.new_id() for _ in range(3)]
            records.put_tuning_job(tuning_job(given[-1], "tune"))
        with records.transaction():
            records.delete_tuning_job(given[-1])
        with pytest.raises(ZeroDivisionError), records.transaction():
            given.append(records.new_id())
            raise ZeroDivisionError
        given.append(records.new_id())
        with records.transaction():
            given.append(records.new_id())
        records = self.reopened(records, tmp_path)
        with records.transaction():
            given.append(records.new_id())
        records.close()
        assert len(set(given)) == len(given)

    # ---- names

    def test_names_are_found_in_any_case_and_given_back_as_written(self, records: Any) -> None:
        with records.transaction():
            records.put_tuning_job(tuning_job(1, "MyTune"))
            records.put_training_job(training_job(2, "MyTrain"))
        assert records.find_tuning_job(SCOPE, "mytUNE").name == "MyTune"
        assert records.find_training_job(SCOPE, "MYTRAIN").name == "MyTrain"
        assert records.find_tuning_job(ELSEWHERE, "MyTune") is None
        assert records.find_training_job(SCOPE, "MyTune") is None

    def test_a_name_is_unique_in_its_scope_whatever_its_case(self, records: Any) -> None:
        with records.transaction():
            records.put_tuning_job(tuning_job(1, "name"))
            records.put_training_job(training_job(2, "name"))
            records.put_tuning_job(tuning_job(3, "name", scope=ELSEWHERE))
            records.put_training_job(training_job(4, "name", scope=ELSEWHERE))
            with pytest.raises(ValueError, match="another tuning job named NAME in"):
                records.put_tuning_job(tuning_job(5, "NAME"))
            with pytest.raises(ValueError, match="another training job named Name in"):
                records.put_training_job(training_job(6, "Name"))
        assert records.find_tuning_job(SCOPE, "name").id == 1
        assert records.training_job(6) is None

    def test_a_name_returns_after_delete(self, records: Any) -> None:
        with records.transaction():
            records.put_training_job(training_job(1, "name"))
        with records.transaction():
            records.delete_training_job(1)
            records.put_training_job(training_job(2, "NAME"))
        assert records.find_training_job(SCOPE, "name").id == 2

    # ---- what is stored

    def test_a_put_replaces_the_whole_record(self, records: Any) -> None:
        with records.transaction():
            records.put_training_job(training_job(1, "name"))
            records.put_tuning_job(tuning_job(2, "name"))
        spec = replace(DEFINITION, output_data_config=OutputDataConfig(s3_output_path="s3://b"))
        training = training_job(
            1, "other", spec=spec, creation_time=1.0, hyper_parameters={"a": "b"}, tuning_job_id=2
        )
        tuning = tuning_job(2, "other", seed=8, creation_time=2.0)
        with records.transaction():
            records.put_training_job(training)
            records.put_tuning_job(tuning)
        assert records.training_job(1) == training
        assert records.find_tuning_job(SCOPE, "other") == tuning

    def test_training_jobs_of_one_definition_share_its_object(
        self, records: Any, tmp_path: Path
    ) -> None:
        with records.transaction():
            for number in range(5):
                spec = replace(DEFINITION)
                job = training_job(number + 1, f"job-{number}", spec=spec, tuning_job_id=9)
                records.put_training_job(job)
        records = self.reopened(records, tmp_path)
        jobs = list(records.training_jobs_of(9))
        again = records.training_job(1)
        records.close()
        assert [job.id for job in jobs] == [1, 2, 3, 4, 5]
        assert len({id(job.spec) for job in (*jobs, again)}) == 1
        assert again.spec == DEFINITION

    def test_a_spec_is_of_the_class_it_was(self, records: Any, tmp_path: Path) -> None:
        request = TrainingJobRequest(
            algorithm_specification=DEFINITION.algorithm_specification,
            role_arn="role",
            output_data_config=DEFINITION.output_data_config,
            stopping_condition=DEFINITION.stopping_condition,
            training_job_name="plain",
            hyper_parameters={"epochs": "3"},
            tags=(Tag(key="k", value="v"),),
        )
        plain = training_job(1, "plain", spec=request, hyper_parameters={"epochs": "3"})
        with records.transaction():
            records.put_training_job(plain)
        records = self.reopened(records, tmp_path)
        assert records.training_job(1) == plain
        assert type(records.training_job(1).spec) is TrainingJobRequest
        records.close()

    def test_text_that_is_no_unicode_is_kept(self, records: Any, tmp_path: Path) -> None:
        job = training_job(1, "job", tuned={"x": "\ud800\x00"}, hyper_parameters={"x": "\ud800"})
        with records.transaction():
            records.put_training_job(job)
        records = self.reopened(records, tmp_path)
        assert records.training_job(1) == job
        records.close()

    def test_deleting_one_of_two_equal_specs_keeps_the_other(
        self, records: Any, tmp_path: Path
    ) -> None:
        with records.transaction():
            records.put_training_job(training_job(1, "one"))
            records.put_training_job(training_job(2, "two"))
        with records.transaction():
            records.delete_training_job(1)
        with records.transaction():
            records.delete_training_job(2)
        with records.transaction():
            records.put_training_job(training_job(3, "three"))
        with pytest.raises(ZeroDivisionError), records.transaction():
            records.delete_training_job(3)
            raise ZeroDivisionError
        records = self.reopened(records, tmp_path)
        assert records.training_job(3) == training_job(3, "three")
        records.close()

    def test_a_spec_of_a_transaction_that_failed_can_be_stored_again(
        self, records: Any, tmp_path: Path
    ) -> None:
        with pytest.raises(ZeroDivisionError), records.transaction():
            records.put_training_job(training_job(1, "one"))
            raise ZeroDivisionError
        with records.transaction():
            records.put_training_job(training_job(1, "one"))
        records = self.reopened(records, tmp_path)
        assert records.training_job(1) == training_job(1, "one")
        records.close()

    # ---- active jobs

    def test_active_jobs_are_those_that_are_not_terminal(self, records: Any) -> None:
        with records.transaction():
            for number, status in enumerate(TuningJobStatus):
                records.put_tuning_job(tuning_job(100 - number, f"job-{number}", status=status))
            for number, status in enumerate(TrainingJobStatus):
                job = training_job(200 - number, f"job-{number}", status=status)
                records.put_training_job(job)
                child = training_job(300 + number, f"child-{number}", status=status)
                records.put_training_job(replace(child, tuning_job_id=100))
        tuning = list(records.active_tuning_jobs())
        plain = list(records.active_plain_training_jobs())
        assert [job.id for job in tuning] == [99, 100]
        assert not any(job.status.terminal for job in (*tuning, *plain))
        assert [job.id for job in plain] == [199, 200]

    # ---- points

    def test_points_come_back_in_the_order_they_were_read_with_their_offset(
        self, records: Any
    ) -> None:
        key, retried = AttemptKey(1, 1), AttemptKey(1, 2)
        with records.transaction():
            records.put_points(key, [point(3.0), point(1.0, time=2.0)], 100)
            records.put_points(retried, [point(9.0)], 7)
            assert records.log_offset(key) == 100
        with records.transaction():
            records.put_points(key, iter([point(2.0)]), 150)
            records.put_points(retried, [], 8)
        assert [item.value for item in records.points(key)] == [3.0, 1.0, 2.0]
        assert list(records.points(retried)) == [point(9.0)]
        assert (records.log_offset(key), records.log_offset(retried)) == (150, 8)
        assert records.log_offset(AttemptKey(1, 3)) == 0

    def test_values_that_are_no_numbers_are_kept(self, records: Any) -> None:
        key = AttemptKey(1, 1)
        with records.transaction():
            records.put_points(key, [point(math.nan), point(math.inf), point(-math.inf)], 1)
            records.put_training_job(training_job(1, "job", objective_value=math.nan))
        nan, *infinite = (item.value for item in records.points(key))
        assert math.isnan(nan)
        assert infinite == [math.inf, -math.inf]
        assert math.isnan(records.training_job(1).objective_value)

    # ---- tags

    def test_tags_keep_the_order_in_which_their_keys_came(self, records: Any) -> None:
        with records.transaction():
            records.put_tags("arn", [Tag(key=key, value="1") for key in "cab"])
            records.put_tags("other", [Tag(key="x", value="1")])
            assert list(records.tags("arn")) == ["c", "a", "b"]
        with records.transaction():
            records.put_tags("arn", [Tag(key="z", value="3"), Tag(key="c", value="2")])
            records.delete_tags("arn", ["a", "never there"])
        assert list(records.tags("arn").items()) == [("c", "2"), ("b", "1"), ("z", "3")]
        assert records.tags("other") == {"x": "1"}
        with records.transaction():
            records.put_tags("arn", [Tag(key="a", value="4")])
        assert list(records.tags("arn")) == ["c", "b", "z", "a"]

    # ---- delete

    def test_deleting_removes_what_hangs_on_the_record_and_nothing_else(
        self, records: Any
    ) -> None:
        gone, stays = training_job(1, "Gone", tuning_job_id=3), training_job(2, "stays")
        tuning = tuning_job(3, "Gone")
        with records.transaction():
            records.put_tuning_job(tuning)
            for job in (gone, stays):
                records.put_training_job(job)
                records.put_points(job.key, [point(1.0)], 5)
                records.put_points(AttemptKey(job.id, 2), [point(1.0)], 5)
            for job in (gone, stays, tuning):
                records.put_tags(job.arn, [Tag(key="k", value="v")])
        with records.transaction():
            records.delete_tuning_job(3)
        assert records.find_tuning_job(SCOPE, "gone") is None
        assert records.tags(tuning.arn) == {}
        assert list(records.training_jobs_of(3)) == [gone]
        with records.transaction():
            records.delete_training_job(1)
            records.delete_training_job(1)
            records.delete_tuning_job(77)
        assert records.training_job(1) is None
        assert records.tags(gone.arn) == {}
        for attempt in (1, 2):
            key = AttemptKey(1, attempt)
            assert (list(records.points(key)), records.log_offset(key)) == ([], 0)
        assert records.training_job(2) == stays
        assert records.tags(stays.arn) == {"k": "v"}
        assert list(records.points(stays.key)) == [point(1.0)]

    # ---- listing

    def test_sorting_by_what_cannot_be_sorted_by_is_refused(self, records: Any) -> None:
        with pytest.raises(ValueError, match="sort"):
            records.list_tuning_jobs(Query(scope=SCOPE, sort_by="Colour"))
        with pytest.raises(ValueError, match="sorted by objective value"):
            records.list_training_jobs(Query(scope=SCOPE, sort_by="FinalObjectiveMetricValue"))

    def test_a_listing_begun_before_others_came_and_went_misses_and_repeats_nothing(
        self, records: Any
    ) -> None:
        with records.transaction():
            for number in range(20):
                records.put_training_job(training_job(number + 1, f"job-{number:02}"))
        query = Query(scope=SCOPE, sort_by="Name", limit=3)
        seen: list[str] = []
        for turn in range(100):
            page = records.list_training_jobs(query)
            seen += [job.name for job in page.items]
            if page.next is None:
                break
            with records.transaction():
                records.put_training_job(training_job(100 + turn, f"job-{turn * 2:02}-new"))
                records.delete_training_job(turn + 1)
            query = replace(query, after=page.next)
        old = [name for name in seen if not name.endswith("new")]
        assert len(set(seen)) == len(seen)
        assert seen == sorted(seen)
        assert set(old) >= {f"job-{number:02}" for number in range(7, 20)}

    def test_many_threads_read_while_one_writes(self, records: Any) -> None:
        done = threading.Event()
        failures: list[BaseException] = []

        def read() -> None:
            try:
                while not done.is_set():
                    page = records.list_training_jobs(
                        Query(scope=SCOPE, sort_by="CreationTime", limit=100)
                    )
                    assert len(page.items) % 2 == 0  # two are put at a time
                    for job in page.items:
                        assert records.find_training_job(SCOPE, job.name) == job
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 41):
            with records.transaction():
                for job_id in (number * 2, number * 2 + 1):
                    records.put_training_job(training_job(job_id, f"job-{job_id}"))
        done.set()
        for thread in threads:
            thread.join(timeout=30)
        assert failures == []
