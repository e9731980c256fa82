"""SqliteRecords: the conformance suite, and that it equals a plain dictionary."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from job_records import (
    ELSEWHERE,
    POINTS,
    SCOPE,
    TRAINING_JOBS,
    TUNING_JOBS,
    training_job,
    tuning_job,
)
from records_conformance import RecordsConformance

from tuner.domain.definitions import Tag
from tuner.domain.jobs import AttemptKey, MetricPoint, TrainingJob, TuningJob
from tuner.domain.ports import Listings, Records
from tuner.domain.statuses import TrainingJobStatus, TuningJobStatus
from tuner.store.records import NameTaken, SqliteRecords


class TestSqliteRecords(RecordsConformance):
    def open(self, path: Path) -> SqliteRecords:
        return SqliteRecords(path)


def test_it_is_what_the_ports_ask_for(tmp_path: Path) -> None:
    records: Records = SqliteRecords(tmp_path / "records.db")
    listings: Listings = SqliteRecords(tmp_path / "records.db")
    assert list(records.active_tuning_jobs()) == []
    assert listings.training_job(1) is None


def test_a_home_keeps_its_id_and_has_it_alone(tmp_path: Path) -> None:
    first, second = SqliteRecords(tmp_path / "1.db"), SqliteRecords(tmp_path / "2.db")
    home_id = first.home_id()
    first.close()
    first = SqliteRecords(tmp_path / "1.db")
    assert first.home_id() == home_id != second.home_id()
    first.close()
    second.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db")
    records.close()
    with pytest.raises(RuntimeError, match="closed"):
        records.training_job(1)


def test_a_directory_with_odd_characters_is_fine(tmp_path: Path) -> None:
    directory = tmp_path / "a ?b#c%20ü"
    directory.mkdir()
    records = SqliteRecords(directory / "records.db")
    with records.transaction():
        records.put_tuning_job(tuning_job(1, "tune"))
    assert records.find_tuning_job(SCOPE, "tune") is not None
    records.close()
    assert {path.name for path in directory.iterdir()} == {"records.db"}


@given(tuning=TUNING_JOBS, training=TRAINING_JOBS, points=st.lists(POINTS, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_record_comes_back_as_it_was(
    tuning: TuningJob, training: TrainingJob, points: list[MetricPoint]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "records.db"
        records = SqliteRecords(path)
        with records.transaction():
            records.put_tuning_job(tuning)
            records.put_training_job(training)
            records.put_points(training.key, points, 1)
        records.close()
        records = SqliteRecords(path)
        assert records.find_tuning_job(tuning.scope, tuning.name) == tuning
        assert records.training_job(training.id) == training
        assert list(records.points(training.key)) == points
        records.close()


# ---- against a model -------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "A", "b", "job-1", "JOB-1"])
SMALL_IDS = st.integers(1, 6)
SCOPES = st.sampled_from([SCOPE, ELSEWHERE])
Act = Callable[[Any], None]


class Model:
    """The contract of Records with dictionaries."""

    def __init__(self) -> None:
        self.tuning: dict[int, TuningJob] = {}
        self.training: dict[int, TrainingJob] = {}
        self.known_points: dict[AttemptKey, list[MetricPoint]] = {}
        self.offsets: dict[AttemptKey, int] = {}
        self.known_tags: dict[str, dict[str, str]] = {}

    def copy(self) -> Model:
        model = Model()
        model.tuning, model.training = dict(self.tuning), dict(self.training)
        model.known_points = {key: list(points) for key, points in self.known_points.items()}
        model.offsets = dict(self.offsets)
        model.known_tags = {arn: dict(tags) for arn, tags in self.known_tags.items()}
        return model

    def put_tuning_job(self, job: TuningJob) -> None:
        self._put(self.tuning, job)

    def put_training_job(self, job: TrainingJob) -> None:
        self._put(self.training, job)

    def _put(self, jobs: dict[int, Any], job: Any) -> None:
        if any(other.arn == job.arn and other.id != job.id for other in jobs.values()):
            raise NameTaken
        jobs[job.id] = job

    def delete_tuning_job(self, job_id: int) -> None:
        job = self.tuning.pop(job_id, None)
        if job:
            self.known_tags.pop(job.arn, None)

    def delete_training_job(self, job_id: int) -> None:
        job = self.training.pop(job_id, None)
        if job:
            self.known_tags.pop(job.arn, None)
            for known in (self.known_points, self.offsets):
                for key in [key for key in known if key.job_id == job_id]:
                    del known[key]  # type: ignore[attr-defined]

    def put_points(self, key: AttemptKey, points: list[MetricPoint], offset: int) -> None:
        self.known_points.setdefault(key, []).extend(points)
        self.offsets[key] = offset

    def put_tags(self, arn: str, tags: list[Tag]) -> None:
        self.known_tags.setdefault(arn, {}).update({tag.key: tag.value for tag in tags})

    def delete_tags(self, arn: str, keys: list[str]) -> None:
        for key in keys:
            self.known_tags.get(arn, {}).pop(key, None)


def _act(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.tuples(*arguments).map(lambda drawn: lambda records: getattr(records, name)(*drawn))


KEYS = st.builds(AttemptKey, SMALL_IDS, st.integers(1, 2))
ARNS = st.builds(lambda scope, name: scope.training_job_arn(name), SCOPES, NAMES)
TAG_KEYS = st.sampled_from("xyz")
ACTS = st.one_of(
    _act(
        "put_tuning_job",
        st.builds(
            lambda job_id, name, scope, status: tuning_job(
                job_id, name, scope=scope, status=status
            ),
            SMALL_IDS,
            NAMES,
            SCOPES,
            st.sampled_from(TuningJobStatus),
        ),
    ),
    _act(
        "put_training_job",
        st.builds(
            lambda job_id, name, scope, status, parent: training_job(
                job_id, name, scope=scope, status=status, tuning_job_id=parent
            ),
            SMALL_IDS,
            NAMES,
            SCOPES,
            st.sampled_from(TrainingJobStatus),
            st.none() | SMALL_IDS,
        ),
    ),
    _act("delete_tuning_job", SMALL_IDS),
    _act("delete_training_job", SMALL_IDS),
    _act("put_points", KEYS, st.lists(POINTS, max_size=2), st.integers(0, 99)),
    _act(
        "put_tags",
        ARNS,
        st.lists(st.builds(Tag, key=TAG_KEYS, value=st.sampled_from("12")), max_size=2),
    ),
    _act("delete_tags", ARNS, st.lists(TAG_KEYS, max_size=2)),
)


class RecordsMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "records.db"
        self.records = SqliteRecords(self.path)
        self.model = Model()

    def teardown(self) -> None:
        if hasattr(self, "records"):
            self.records.close()
            self.directory.cleanup()

    @rule(acts=st.lists(ACTS, min_size=1, max_size=6), fails=st.sampled_from([False, False, True]))
    def transact(self, acts: list[Act], fails: bool) -> None:
        model = self.model.copy()
        try:
            with self.records.transaction():
                for act in acts:
                    assert _taken(act, self.records) == _taken(act, model)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        self.model = model

    @rule()
    def reopen(self) -> None:
        self.records.close()
        self.records = SqliteRecords(self.path)

    @invariant()
    def every_read_is_the_models(self) -> None:
        if not hasattr(self, "records"):
            return
        records, model = self.records, self.model
        for job_id in range(1, 7):
            assert records.training_job(job_id) == model.training.get(job_id)
            mine = [job for job in model.training.values() if job.tuning_job_id == job_id]
            assert list(records.training_jobs_of(job_id)) == sorted(mine, key=lambda job: job.id)
            for attempt in (1, 2):
                key = AttemptKey(job_id, attempt)
                assert list(records.points(key)) == model.known_points.get(key, [])
                assert records.log_offset(key) == model.offsets.get(key, 0)
        for scope in (SCOPE, ELSEWHERE):
            for name in ("a", "b", "Job-1"):
                assert records.find_tuning_job(scope, name) == _named(model.tuning, scope, name)
                assert records.find_training_job(scope, name) == _named(
                    model.training, scope, name
                )
                arn = scope.training_job_arn(name)
                expected = model.known_tags.get(arn, {})
                assert list(records.tags(arn).items()) == list(expected.items())
        active = [job for _, job in sorted(model.tuning.items()) if not job.status.terminal]
        assert list(records.active_tuning_jobs()) == active
        running = [job for _, job in sorted(model.training.items()) if not job.status.terminal]
        plain = [job for job in running if job.tuning_job_id is None]
        assert list(records.active_plain_training_jobs()) == plain


def _taken(act: Act, records: Any) -> bool:
    try:
        act(records)
    except NameTaken:
        return True
    return False


def _named(jobs: dict[int, Any], scope: Any, name: str) -> Any:
    return next(
        (job for job in jobs.values() if job.scope == scope and job.name.lower() == name.lower()),
        None,
    )


TestRecordsEqualTheModel = RecordsMachine.TestCase
TestRecordsEqualTheModel.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None
)


def test_changing_the_spec_of_a_job_leaves_others_alone(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "records.db")
    one, two = training_job(1, "one"), training_job(2, "two")
    with records.transaction():
        records.put_training_job(one)
        records.put_training_job(two)
    changed = replace(one, spec=replace(one.spec, role_arn="other"))
    with records.transaction():
        records.put_training_job(changed)
    assert records.training_job(1) == changed
    assert records.training_job(2) == two
    records.close()
