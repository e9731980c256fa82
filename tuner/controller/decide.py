"""The decisions of one turn: a pure function of the view, the capacity and the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tuner.controller import completion, lifecycle
from tuner.controller.interruptions import interruption_time
from tuner.controller.lifecycle import Flight
from tuner.controller.view import TuningView, View
from tuner.domain.clusters import gang
from tuner.domain.jobs import AttemptKey, Failure, Resources, TrainingJob, TuningJob
from tuner.domain.ports import Capacity
from tuner.domain.statuses import FailureKind, SecondaryStatus, StopCause


class ActKind(StrEnum):
    PREPARE = "prepare"
    LAUNCH = "launch"
    STOP = "stop"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Act:
    """Something a backend is to do for an attempt; done once per (kind, key) and start."""

    kind: ActKind
    job: TrainingJob
    grace_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A slot is free: what should this tuning job try as its training job `index`?"""

    tuning_job_id: int
    index: int


@dataclass(frozen=True, slots=True)
class Transient:
    """What the controller remembers beside the records; what matters of it comes back after a
    restart.

    `asking`: tuning jobs with a suggestion under way. `exhausted`: those whose strategy has
    nothing left. `notes`: why a tuning job has no objective, from its latest training job.
    `interruption_rate`: see `interruption_time`.
    """

    asking: Set[int] = frozenset()
    exhausted: Set[int] = frozenset()
    flights: Mapping[AttemptKey, Flight] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    interruption_rate: float = 0.0


@dataclass(slots=True)
class Decisions:
    """Changed records to commit first, then what to do; `deadline` is when to look again."""

    updates: list[TuningJob | TrainingJob] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    deadline: float | None = None

    def wake_at(self, time: float | None) -> None:
        if time is not None and (self.deadline is None or time < self.deadline):
            self.deadline = time


def decide(view: View, transient: Transient, capacity: Capacity, now: float) -> Decisions:
    """Everything that follows from the view now. Called again after its updates are applied,
    until there are none."""
    decisions = Decisions()
    for job in view.running():
        flight = transient.flights.get(job.key, Flight())
        _run(job, flight, transient.interruption_rate, now, decisions)
    for tuning in view.tuning.values():
        _conclude(tuning, transient, now, decisions)
    if not decisions.updates:
        _admit(view, transient, capacity, now, decisions)
    return decisions


def _run(
    job: TrainingJob, flight: Flight, interruption_rate: float, now: float, decisions: Decisions
) -> None:
    """What one running training job needs."""
    over = _over_time(job, now, decisions)
    if over is not None:
        decisions.updates.append(lifecycle.stopping(job, over, now))
        return
    match job.secondary_status:
        case SecondaryStatus.STARTING:
            if now >= lifecycle.retry_time(job):
                decisions.updates.append(lifecycle.admitted(job, now))
            else:
                decisions.wake_at(lifecycle.retry_time(job))
        case SecondaryStatus.DOWNLOADING:
            decisions.acts.append(Act(ActKind.PREPARE, job))
        case SecondaryStatus.TRAINING:
            decisions.acts.append(Act(ActKind.LAUNCH, job))
            failed = lifecycle.failed_exit(flight)
            interruption = interruption_time(job, interruption_rate)
            if lifecycle.all_exited(job, flight):
                decisions.updates.append(lifecycle.uploading(job, flight, now))
            elif failed is not None:
                _stop(job, flight, failed.time, now, decisions)
            elif interruption is not None and now >= interruption:
                decisions.updates.append(lifecycle.interrupted(job, now))
            else:
                decisions.wake_at(interruption)
        case SecondaryStatus.INTERRUPTED:
            decisions.acts.append(Act(ActKind.LAUNCH, job))
            _interrupt(job, flight, now, decisions)
        case SecondaryStatus.STOPPING:
            # Launching is idempotent: after a crash between the commit and the launch it makes
            # sure that there is something to stop and to hear of.
            decisions.acts.append(Act(ActKind.LAUNCH, job))
            _stop(job, flight, lifecycle.since(job), now, decisions)
        case SecondaryStatus.UPLOADING:
            _finish(job, flight, now, decisions)
        case _:
            pass


def _over_time(job: TrainingJob, now: float, decisions: Decisions) -> StopCause | None:
    """Which limit of its time the training job has reached."""
    limit = lifecycle.time_limit(job)
    if limit is None:
        return None
    time, cause = limit
    if now < time:
        decisions.wake_at(time)
        return None
    return cause


def _stop(
    job: TrainingJob, flight: Flight, began: float, now: float, decisions: Decisions
) -> None:
    """End what runs of the attempt, then collect what it left."""
    if _ended(job, flight, began, now, decisions):
        decisions.updates.append(lifecycle.uploading(job, flight, now))


def _interrupt(job: TrainingJob, flight: Flight, now: float, decisions: Decisions) -> None:
    """End what runs of the attempt, collect what it left, above all checkpoints, and go on in
    another attempt, also without what cannot be collected in time."""
    if not _ended(job, flight, lifecycle.since(job), now, decisions):
        return
    decisions.acts.append(Act(ActKind.COLLECT, job))
    patience = lifecycle.since(job) + lifecycle.UPLOAD_PATIENCE_SECONDS
    if _collected(flight) or now >= patience:
        decisions.updates.append(lifecycle.restarted(job, now))
    else:
        decisions.wake_at(patience)


def _ended(
    job: TrainingJob, flight: Flight, began: float, now: float, decisions: Decisions
) -> bool:
    """Whether the instances have ended, which were told to when it `began`; they count as ended
    when even SIGKILL is not heard of."""
    grace = max(0.0, began + lifecycle.STOP_GRACE_SECONDS - now)
    decisions.acts.append(Act(ActKind.STOP, job, grace))
    patience = began + lifecycle.STOP_GRACE_SECONDS + lifecycle.STOP_PATIENCE_SECONDS
    if lifecycle.all_exited(job, flight) or now >= patience:
        return True
    decisions.wake_at(patience)
    return False


def _collected(flight: Flight) -> bool:
    return flight.collected is not None and flight.read_to_end is not None


def _finish(job: TrainingJob, flight: Flight, now: float, decisions: Decisions) -> None:
    """Collect what the attempt left; an upload that nobody hears of ends in an error."""
    decisions.acts.append(Act(ActKind.COLLECT, job))
    patience = lifecycle.since(job) + lifecycle.UPLOAD_PATIENCE_SECONDS
    if _collected(flight):
        decisions.updates.append(lifecycle.finished(job, flight, now))
    elif now >= patience:
        text = "The outputs of the training job could not be collected in time."
        failure = Failure(kind=FailureKind.INTERNAL, text=text)
        decisions.updates.append(lifecycle.faulted(job, failure, now))
    else:
        decisions.wake_at(patience)


def _conclude(tuning: TuningView, transient: Transient, now: float, decisions: Decisions) -> None:
    """Whether a tuning job is over; if so its training jobs end first."""
    job = tuning.job
    if job.outcome is None:
        exhausted = job.id in transient.exhausted
        found = completion.verdict(tuning, exhausted, now, transient.notes.get(job.id))
        if found is None:
            decisions.wake_at(completion.runtime_deadline(tuning))
            return
        job = replace(
            job,
            outcome=found.outcome,
            failure_reason=found.failure_reason,
            last_modified_time=now,
        )
    if not tuning.running:
        assert job.outcome is not None
        ended = replace(job, status=job.outcome, end_time=now, last_modified_time=now)
        decisions.updates.append(ended)
        return
    if job is not tuning.job:
        decisions.updates.append(job)
    decisions.updates += _stopped(tuning, now)


def _stopped(tuning: TuningView, now: float) -> Iterator[TrainingJob]:
    for job in tuning.running.values():
        stopped = lifecycle.stopping(job, StopCause.TUNING_JOB, now)
        if stopped is not job:
            yield stopped


def _fits(need: Resources, free: Capacity) -> bool:
    return need.cpus <= free.cpus and need.memory_mib <= free.memory_mib and need.gpus <= free.gpus


def _less(free: Capacity, need: Resources) -> Capacity:
    return Capacity(
        cpus=free.cpus - need.cpus,
        memory_mib=free.memory_mib - need.memory_mib,
        gpus=free.gpus - need.gpus,
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """Somebody who could start a training job now, whose instances `need` so much together;
    `since` is when it was last served, all plain training jobs being one such somebody."""

    since: float
    running: int
    id: int
    need: Resources
    grant: Callable[[], None]


def _admit(
    view: View, transient: Transient, capacity: Capacity, now: float, decisions: Decisions
) -> None:
    """Give free capacity out round-robin: who was served longest ago comes first, and who
    cannot fit makes the others wait, so that nobody starves. A gang larger than the machine
    runs when it has the machine for itself."""
    free, busy = capacity, False
    for job in view.running():
        if job.secondary_status is not SecondaryStatus.PENDING:
            free, busy = _less(free, gang(job.spec, job.resources)), True
    for job_id in transient.asking & view.tuning.keys():
        asking = view.tuning[job_id].job
        free, busy = _less(free, _next_gang(asking)), True
    for claim in sorted(
        _claims(view, transient, now, decisions), key=lambda c: (c.since, c.running, c.id)
    ):
        if not _fits(claim.need, free) and busy:
            break
        claim.grant()
        free, busy = _less(free, claim.need), True


def _next_gang(job: TuningJob) -> Resources:
    """What the instances of a tuning job's next training job need."""
    return gang(job.request.definitions[0], job.resources)


def _claims(
    view: View, transient: Transient, now: float, decisions: Decisions
) -> Iterator[_Claim]:
    for tuning in view.tuning.values():
        job = tuning.job
        if job.id in transient.asking:
            continue
        if len(tuning.running) >= tuning.limits.max_parallel_training_jobs:
            continue
        if completion.may_launch(tuning, job.id in transient.exhausted):
            ask = Ask(job.id, job.progress.counters.launched)
            yield _Claim(
                tuning.last_launch,
                len(tuning.running),
                job.id,
                _next_gang(job),
                lambda ask=ask: decisions.asks.append(ask),  # type: ignore[misc]
            )
    served = [job.training_start_time for job in view.plain.values() if job.training_start_time]
    for pending in view.plain.values():
        if pending.secondary_status is SecondaryStatus.PENDING:
            started = lifecycle.admitted(pending, now)
            yield _Claim(
                max([pending.creation_time, *served]),
                len(served),
                pending.id,
                gang(pending.spec, pending.resources),
                lambda started=started: decisions.updates.append(started),  # type: ignore[misc]
            )
