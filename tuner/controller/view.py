"""What the controller knows: a fold of the records, kept up to date record by record.

`View.apply` in any order of the records' latest versions gives the same view; a property test
holds the incremental view equal to `fold` of what the store has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tuner.domain.definitions import ResourceLimits
from tuner.domain.jobs import AttemptKey, TrainingJob, TuningJob
from tuner.domain.ports import Records
from tuner.domain.ranges import SearchSpace
from tuner.domain.statuses import ObjectiveStatus
from tuner.strategies.base import Observation, ObservationState


def observation_of(job: TrainingJob) -> Observation:
    """A training job as a strategy sees it."""
    if not job.status.terminal:
        state = ObservationState.RUNNING
    elif job.objective_status is ObjectiveStatus.SUCCEEDED:
        state = ObservationState.SUCCEEDED
    else:
        state = ObservationState.FAILED
    return Observation(
        index=job.number - 1,
        values=job.tuned,
        state=state,
        value=job.objective_value,
        completion_order=job.completion_order,
        memo=job.memo,
    )


@dataclass(slots=True)
class TuningView:
    """An active tuning job: its running training jobs whole, of all others what was observed.

    `last_launch` is when it last got a slot (epoch seconds; its creation at first).
    """

    job: TuningJob
    running: dict[int, TrainingJob] = field(default_factory=dict)
    observed: dict[int, Observation] = field(default_factory=dict)
    last_launch: float = field(init=False)
    space: SearchSpace = field(init=False, compare=False)

    def __post_init__(self) -> None:
        definition = self.job.request.definitions[0]
        self.space = SearchSpace.of(self.job.request.ranges_of(definition))
        self.last_launch = self.job.creation_time

    @property
    def limits(self) -> ResourceLimits:
        return self.job.request.hyper_parameter_tuning_job_config.resource_limits

    def apply(self, job: TrainingJob) -> None:
        self.last_launch = max(self.last_launch, job.creation_time)
        if job.status.terminal:
            self.running.pop(job.id, None)
            self.observed[job.number - 1] = observation_of(job)
        else:
            self.running[job.id] = job

    def observations(self) -> tuple[Observation, ...]:
        """All training jobs launched so far, by index."""
        found = dict(self.observed)
        for job in self.running.values():
            found[job.number - 1] = observation_of(job)
        return tuple(found[index] for index in sorted(found))


@dataclass(slots=True)
class View:
    """All that is not ended: tuning jobs by id, plain training jobs by id."""

    tuning: dict[int, TuningView] = field(default_factory=dict)
    plain: dict[int, TrainingJob] = field(default_factory=dict)

    def apply(self, record: TuningJob | TrainingJob) -> None:
        if isinstance(record, TuningJob):
            self._apply_tuning_job(record)
        elif record.tuning_job_id is None:
            if record.status.terminal:
                self.plain.pop(record.id, None)
            else:
                self.plain[record.id] = record
        elif record.tuning_job_id in self.tuning:
            self.tuning[record.tuning_job_id].apply(record)

    def _apply_tuning_job(self, job: TuningJob) -> None:
        if job.status.terminal:
            self.tuning.pop(job.id, None)
        elif job.id in self.tuning:
            self.tuning[job.id].job = job
        else:
            self.tuning[job.id] = TuningView(job)

    def running(self) -> Iterator[TrainingJob]:
        """Every training job that has not ended."""
        for tuning in self.tuning.values():
            yield from tuning.running.values()
        yield from self.plain.values()

    def find(self, key: AttemptKey) -> TrainingJob | None:
        """The job of a running attempt; None for an attempt that is over."""
        job = self.training_job(key.job_id)
        return job if job is not None and job.attempt == key.attempt else None

    def training_job(self, job_id: int) -> TrainingJob | None:
        if job_id in self.plain:
            return self.plain[job_id]
        for tuning in self.tuning.values():
            if job_id in tuning.running:
                return tuning.running[job_id]
        return None


def fold(records: Records) -> View:
    """The view from nothing but the store."""
    view = View()
    for tuning_job in records.active_tuning_jobs():
        view.apply(tuning_job)
        for training_job in records.training_jobs_of(tuning_job.id):
            view.apply(training_job)
    for training_job in records.active_plain_training_jobs():
        view.apply(training_job)
    return view
