"""A world in virtual time: the real controller and store over the simulated backend."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.backends.simulated import SimulatedBackend, SimulatedClock, SimulatedRun
from tuner.controller.asking import Suggested
from tuner.controller.lifecycle import interrupted
from tuner.controller.loop import Controller
from tuner.controller.view import fold
from tuner.domain.definitions import (
    OBJECTIVE_HYPER_PARAMETER,
    AlgorithmSpecification,
    ContinuousParameterRange,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningJobConfig,
    HyperParameterTuningJobObjective,
    InputMode,
    MetricDefinition,
    ObjectiveType,
    OutputDataConfig,
    ParameterRanges,
    ResourceConfig,
    ResourceLimits,
    RetryStrategy,
    StoppingCondition,
    TrainingJobRequest,
    TuningJobRequest,
)
from tuner.domain.jobs import Resources, Scope, TrainingJob, TuningJob
from tuner.domain.ports import Capacity
from tuner.domain.statuses import SecondaryStatus, TuningJobStatus
from tuner.store.records import SqliteRecords
from tuner.strategies.base import Observation, Problem
from tuner.strategies.registry import find_strategy

SCOPE = Scope(account="123456789012", region="us-east-1")
METRIC = "loss"
RANGES = ParameterRanges(
    continuous_parameter_ranges=(
        ContinuousParameterRange(name="x", min_value="0.0", max_value="1.0"),
    )
)


def printing(seconds: float, value: float, **changes: object) -> SimulatedRun:
    """A run that prints its objective once, half-way."""
    run = SimulatedRun(seconds=seconds, points=((seconds / 2, METRIC, value),))
    return replace(run, **changes)  # type: ignore[arg-type]


def definition(  # type: ignore[no-untyped-def]
    instances: int = 1,
    retries: int = 0,
    max_runtime: int = 86_400,
    max_wait: int | None = None,
):
    """On spot instances where there is a `max_wait`."""
    return HyperParameterTrainingJobDefinition(
        algorithm_specification=AlgorithmSpecification(
            training_input_mode=InputMode.FILE,
            training_image="simulated",
            metric_definitions=(MetricDefinition(name=METRIC, regex="loss=(.*)"),),
        ),
        role_arn="arn:aws:iam::123456789012:role/SageMakerRole",
        output_data_config=OutputDataConfig(s3_output_path="s3://bucket/out"),
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=max_runtime, max_wait_time_in_seconds=max_wait
        ),
        enable_managed_spot_training=max_wait is not None,
        resource_config=ResourceConfig(instance_count=instances),
        static_hyper_parameters={OBJECTIVE_HYPER_PARAMETER: METRIC},
        retry_strategy=RetryStrategy(maximum_retry_attempts=retries) if retries else None,
    )


class InlineSuggester:
    """Answers at once, on the caller's thread."""

    def submit(
        self,
        strategy_name: str,
        problem: Problem,
        observations: tuple[Observation, ...],
        seed: int,
        index: int,
        done: Callable[[Suggested], None],
    ) -> None:
        done(find_strategy(strategy_name).suggest(problem, observations, seed, index))


class World:
    """Runs jobs to their end without waiting; checks what must always hold after each turn."""

    def __init__(
        self,
        directory: Path,
        behaviour: Callable[[TrainingJob], SimulatedRun],
        capacity: Capacity | None = None,
        interruption_rate: float = 0.0,
    ) -> None:
        self.interruption_rate = interruption_rate
        self.capacity = capacity or Capacity(cpus=4, memory_mib=4096)
        self.clock = SimulatedClock()
        self.records = SqliteRecords(directory / "records.db")
        self.backend = SimulatedBackend(
            self.clock, behaviour, self.capacity, offset_of=self.records.log_offset
        )
        self.checks = True
        self.failing_commits = 0
        self._at_this_time = (0.0, 0)
        self._fail_commits()
        self.restart()

    def restart(self) -> None:
        """As after kill -9 of the owner: what was only in memory is gone."""
        self.controller = Controller(
            self.records,
            self.backend,
            self.backend,
            InlineSuggester(),
            find_strategy,
            self.clock,
            self.interruption_rate,
        )
        self.backend.start(self.controller.post)
        self.controller.recover()

    def close(self) -> None:
        self.records.close()

    def _fail_commits(self) -> None:
        """Let the next `failing_commits` transactions fail as on a full disk."""
        transaction = self.records.transaction

        @contextlib.contextmanager
        def failing() -> Iterator[None]:
            with transaction():
                yield
                if self.failing_commits > 0:
                    self.failing_commits -= 1
                    raise OSError("no space left on device")

        self.records.transaction = failing  # type: ignore[method-assign]

    # ---- acting ------------------------------------------------------------------------------

    def create(
        self,
        name: str = "job",
        *,
        jobs: int | None = 3,
        parallel: int = 1,
        strategy: str = "Random",
        ranges: ParameterRanges = RANGES,
        objective: ObjectiveType = ObjectiveType.MINIMIZE,
        max_runtime: int | None = None,
        resources: Resources | None = None,
        template: HyperParameterTrainingJobDefinition | None = None,
    ) -> TuningJob:
        request = TuningJobRequest(
            hyper_parameter_tuning_job_name=name,
            hyper_parameter_tuning_job_config=HyperParameterTuningJobConfig(
                strategy=strategy,
                resource_limits=ResourceLimits(
                    max_parallel_training_jobs=parallel,
                    max_number_of_training_jobs=jobs,
                    max_runtime_in_seconds=max_runtime,
                ),
                hyper_parameter_tuning_job_objective=HyperParameterTuningJobObjective(
                    type=objective, metric_name=METRIC
                ),
                parameter_ranges=ranges,
            ),
            training_job_definition=template or definition(),
        )
        now = self.clock.now()
        job = TuningJob(
            id=self.records.new_id(),
            scope=SCOPE,
            name=name,
            request=request,
            seed=7,
            resources=resources or Resources(cpus=1, memory_mib=1),
            creation_time=now,
            last_modified_time=now,
        )
        self.controller.submit(lambda: self.controller.write(job))
        self.turn()
        return job

    def create_plain(
        self,
        name: str = "plain",
        instances: int = 1,
        cpus: int = 1,
        max_wait: int | None = None,
        **members: Any,
    ) -> TrainingJob:
        spec = definition(instances, max_wait=max_wait)
        now = self.clock.now()
        request = TrainingJobRequest(
            training_job_name=name,
            algorithm_specification=spec.algorithm_specification,
            role_arn=spec.role_arn,
            output_data_config=spec.output_data_config,
            stopping_condition=spec.stopping_condition,
            resource_config=spec.resource_config,
            enable_managed_spot_training=spec.enable_managed_spot_training,
        )
        job = TrainingJob(
            id=self.records.new_id(),
            scope=SCOPE,
            name=name,
            spec=replace(request, **members),
            hyper_parameters={},
            resources=Resources(cpus=cpus, memory_mib=1),
            creation_time=now,
            last_modified_time=now,
        )
        job = job.moved(SecondaryStatus.STARTING, now, "Starting the training job")
        job = job.moved(SecondaryStatus.PENDING, now, "Training job waiting for capacity")
        self.controller.submit(lambda: self.controller.write(job))
        self.turn()
        return job

    def stop(self, job: TuningJob) -> None:
        def run() -> None:
            current = self.controller.tuning_job(job.id)
            if current is not None:
                self.controller.write(replace(current, status=TuningJobStatus.STOPPING))

        self.controller.submit(run)
        self.turn()

    def interrupt(self) -> None:
        """Take the instances of every spot job that trains away."""

        def run() -> None:
            for job in list(self.controller.view.running()):
                if job.uses_spot:
                    self.controller.write(interrupted(job, self.clock.now()))

        self.controller.submit(run)
        self.turn()

    def turn(self) -> float | None:
        """All events due now and one step of the controller; when something is due next."""
        time, count = self._at_this_time
        self._at_this_time = (self.clock.now(), count + 1 if time == self.clock.now() else 0)
        assert count < 500, "the loop spins"
        self.backend.deliver()
        deadline = self.controller.step(self.clock.now())
        if self.checks and not self.controller.recovering:
            self.check()
        due = [time for time in (deadline, self.backend.next_time) if time is not None]
        return min(due, default=None)

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        until = self.clock.now() + seconds
        while True:
            due = self.turn()
            if due is None or due > until:
                break
            self.clock.time = max(self.clock.time, due)
        self.clock.time = until
        self.turn()

    def run(self, turns: int = 1_000_000) -> None:
        """Until nothing is left to do."""
        for _ in range(turns):
            due = self.turn()
            if not self.controller.busy:
                return
            assert due is not None, "the controller waits for nothing"
            self.clock.time = max(self.clock.time, due)
        raise AssertionError("the world does not come to rest")

    # ---- looking -----------------------------------------------------------------------------

    def tuning_job(self, job: TuningJob) -> TuningJob:
        found = self.records.find_tuning_job(SCOPE, job.name)
        assert found is not None
        return found

    def plain(self, name: str = "plain") -> TrainingJob:
        found = self.records.find_training_job(SCOPE, name)
        assert found is not None
        return found

    def training_jobs(self, job: TuningJob) -> Sequence[TrainingJob]:
        return list(self.records.training_jobs_of(job.id))

    def check(self) -> None:
        """What holds after every turn, whatever happens."""
        assert self.controller.view == fold(self.records)
        assert max(Counter(self.backend.launches).values(), default=0) <= 1
        running = list(self.controller.view.running())
        started = [job for job in running if job.secondary_status is not SecondaryStatus.PENDING]
        if len(started) > 1:
            cpus = sum(job.resources.cpus * job.instance_count for job in started)
            assert cpus <= self.capacity.cpus
        for tuning in self.controller.view.tuning.values():
            counters = tuning.job.progress.counters
            assert (
                len(tuning.running)
                == counters.in_progress
                <= (tuning.limits.max_parallel_training_jobs)
            )
            objectives = (
                counters.objective_pending
                + counters.objective_failed
                + counters.objective_succeeded
            )
            assert objectives == counters.launched
            limit = tuning.limits.max_number_of_training_jobs
            assert limit is None or counters.launched <= limit
