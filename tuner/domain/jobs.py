"""The records the store remembers: tuning jobs, training jobs, and what is known of them.

Times are epoch seconds (float). Records never change; a change is a new record with the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.domain.definitions import (
    OBJECTIVE_METRIC_DEFINITION,
    MetricDefinition,
    ObjectiveType,
    TrainingSpec,
    TuningJobRequest,
)
from tuner.domain.statuses import (
    SECONDARY_MOVES,
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopCause,
    TrainingJobStatus,
    TuningJobStatus,
)

DEFAULT_MAX_RUNTIME_IN_SECONDS = 86_400

WITHOUT_INSTANCES = frozenset(
    {SecondaryStatus.STARTING, SecondaryStatus.PENDING, SecondaryStatus.INTERRUPTED}
)
"""Secondary statuses whose time is no training time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a name is unique: an account in a region."""

    account: str
    region: str

    def tuning_job_arn(self, name: str) -> str:
        return self._arn("hyper-parameter-tuning-job", name)

    def training_job_arn(self, name: str) -> str:
        return self._arn("training-job", name)

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """A part of a machine. `gpus` counts whole devices."""

    cpus: int = 1
    memory_mib: int = 1024
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of a metric, after float32, as it was read from the log.

    `time` is when the line was printed; `host` is `algo-N`.
    """

    name: str
    value: float
    time: float
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry of SecondaryStatusTransitions; `end_time` is None while it lasts."""

    status: SecondaryStatus
    start_time: float
    status_message: str
    end_time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a training job failed; `text` is what follows AWS's prefix.

    `exit_code` is the program's, where it was the program that failed.
    """

    kind: FailureKind
    text: str
    exit_code: int | None = None

    @property
    def reason(self) -> str:
        """FailureReason, at most 1,024 characters with the exit code at the end."""
        tail = "" if self.exit_code is None else f", exit code: {self.exit_code}"
        return f"{self.kind}: {self.text}"[: 1024 - len(tail)] + tail


@dataclass(frozen=True, slots=True, order=True)
class AttemptKey:
    """Names one try of a training job: the key of every act and of every directory."""

    job_id: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.job_id}-{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One training job, launched by a tuning job or by CreateTrainingJob.

    `spec` is shared by all training jobs of one definition; `hyper_parameters` are all that the
    container gets, `tuned` the searched ones among them. `resources` is each instance's even
    share of the machine, of which it gets what its type has (`clusters.given`). `number` is the
    1-based launch number within the tuning job (0 for a plain job). `memo` is the strategy's JSON.
    `metrics` holds the last value of each metric; `objective_value` is set when the job has
    ended and its objective counts; `completion_order` numbers the ends within a tuning job
    from 1. `failure` is set as soon as it is known, even while outputs are still collected.
    `interrupted` are the attempts that an interruption ended; what follows one goes on with its
    checkpoints, metrics and log.
    """

    id: int
    scope: Scope
    name: str
    spec: TrainingSpec
    hyper_parameters: Mapping[str, str]
    resources: Resources
    creation_time: float
    last_modified_time: float
    tuning_job_id: int | None = None
    definition_name: str | None = None
    number: int = 0
    tuned: Mapping[str, str] = field(default_factory=dict)
    memo: Mapping[str, Any] = field(default_factory=dict)
    objective_metric: str | None = None
    attempt: int = 1
    interrupted: tuple[int, ...] = ()
    status: TrainingJobStatus = TrainingJobStatus.IN_PROGRESS
    secondary_status: SecondaryStatus = SecondaryStatus.STARTING
    transitions: tuple[Transition, ...] = ()
    training_start_time: float | None = None
    training_end_time: float | None = None
    stop_cause: StopCause | None = None
    failure: Failure | None = None
    metrics: tuple[MetricPoint, ...] = ()
    objective_status: ObjectiveStatus = ObjectiveStatus.PENDING
    objective_value: float | None = None
    completion_order: int | None = None

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.id, self.attempt)

    @property
    def runs(self) -> tuple[AttemptKey, ...]:
        """The attempts that make up the present training: this one, and those before it that it
        goes on from."""
        first = self.attempt
        while first - 1 in self.interrupted:
            first -= 1
        return tuple(AttemptKey(self.id, number) for number in range(first, self.attempt + 1))

    @property
    def retries(self) -> int:
        """Attempts that were made because a former one failed."""
        return self.attempt - 1 - len(self.interrupted)

    @property
    def uses_spot(self) -> bool:
        return bool(self.spec.enable_managed_spot_training)

    @property
    def arn(self) -> str:
        return self.scope.training_job_arn(self.name)

    @property
    def instance_count(self) -> int:
        return self.spec.instance_count

    @property
    def output_prefix(self) -> str:
        """`s3://…/JOB/output`: where model.tar.gz and output.tar.gz go."""
        base = self.spec.output_data_config.s3_output_path.rstrip("/")
        return f"{base}/{self.name}/output"

    @property
    def metric_definitions(self) -> tuple[MetricDefinition, ...]:
        return self.spec.algorithm_specification.metric_definitions or ()

    @property
    def max_runtime_in_seconds(self) -> int:
        return (
            self.spec.stopping_condition.max_runtime_in_seconds or DEFAULT_MAX_RUNTIME_IN_SECONDS
        )

    def started(self, attempt: int) -> float | None:
        """When one of the `runs` got its instances; None if it has not."""
        if attempt == self.runs[0].attempt:
            return self.training_start_time
        starts = [item for item in self.transitions if item.status is SecondaryStatus.DOWNLOADING]
        return starts[attempt - 1].start_time if attempt <= len(starts) else None

    def training_seconds(self, until: float) -> float:
        """How long the job had its instances, over all attempts; not while it waited for some."""
        if self.training_start_time is None:
            return 0.0
        waited = sum(
            (until if item.end_time is None else item.end_time) - item.start_time
            for item in self.transitions
            if item.status in WITHOUT_INSTANCES and item.start_time > self.training_start_time
        )
        return until - self.training_start_time - waited

    def latest(self, metric_name: str) -> MetricPoint | None:
        """The last value of a metric over all hosts, if there is one."""
        return next((point for point in self.metrics if point.name == metric_name), None)

    def moved(self, to: SecondaryStatus, now: float, message: str, **changes: Any) -> TrainingJob:
        """The job one secondary status further, with the transition written down.

        Raises ValueError for a move that is not legal. Moving to the status the job is in only
        replaces the message.
        """
        last = self.transitions[-1] if self.transitions else None
        if last is not None and to is last.status:
            history = (*self.transitions[:-1], replace(last, status_message=message))
        else:
            if last is not None and to not in SECONDARY_MOVES.get(last.status, frozenset()):
                raise ValueError(f"{self.name}: {last.status} cannot become {to}")
            opened = Transition(status=to, start_time=now, status_message=message)
            closed = () if last is None else (*self.transitions[:-1], replace(last, end_time=now))
            history = (*closed, opened)
        return replace(
            self, secondary_status=to, transitions=history, last_modified_time=now, **changes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """TrainingJobStatusCounters and ObjectiveStatusCounters over all launched jobs."""

    completed: int = 0
    in_progress: int = 0
    retryable_error: int = 0
    non_retryable_error: int = 0
    stopped: int = 0
    objective_succeeded: int = 0
    objective_pending: int = 0
    objective_failed: int = 0

    @property
    def launched(self) -> int:
        return (
            self.completed
            + self.in_progress
            + self.retryable_error
            + self.non_retryable_error
            + self.stopped
        )

    @property
    def finished(self) -> int:
        return self.launched - self.in_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a tuning job's training jobs add up to: a fold of their records.

    `best_training_job_id` and `best_value` name the best so far (ties: the earliest end).
    `not_improving` counts the training jobs that ended since the best last improved by more
    than one per cent.
    """

    counters: Counters = Counters()
    best_training_job_id: int | None = None
    best_value: float | None = None
    improved_value: float | None = None
    not_improving: int = 0
    last_completion_order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """One hyperparameter tuning job.

    `request` is as the user sent it with what the service fills in; `seed` is RandomSeed or one
    drawn at creation; `resources` is each instance's even share of the machine, fixed at
    creation because the number of threads changes results. `outcome` is the terminal status
    decided on while running training jobs are still being stopped.
    """

    id: int
    scope: Scope
    name: str
    request: TuningJobRequest
    seed: int
    resources: Resources
    creation_time: float
    last_modified_time: float
    status: TuningJobStatus = TuningJobStatus.IN_PROGRESS
    outcome: TuningJobStatus | None = None
    end_time: float | None = None
    failure_reason: str | None = None
    progress: Progress = Progress()

    @property
    def arn(self) -> str:
        return self.scope.tuning_job_arn(self.name)

    @property
    def objective_type(self) -> ObjectiveType | None:
        definitions = self.request.definitions
        objective = self.request.objective_of(definitions[0]) if definitions else None
        return objective.type if objective else None


def with_objective_definition(
    definitions: tuple[MetricDefinition, ...], metric_name: str
) -> tuple[MetricDefinition, ...]:
    """AWS appends a definition named ObjectiveMetric that carries the objective's regex."""
    chosen = next((item for item in definitions if item.name == metric_name), None)
    if chosen is None or any(item.name == OBJECTIVE_METRIC_DEFINITION for item in definitions):
        return definitions
    return (*definitions, MetricDefinition(name=OBJECTIVE_METRIC_DEFINITION, regex=chosen.regex))
