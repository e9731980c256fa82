"""The controller: events in, decisions, one transaction, acts out.

`step(now)` is one turn. It takes what is queued (events of backends, suggestions, requests of
the doors), changes records, decides until nothing more follows, commits all of it together, and
only then acts. Everything that writes records runs on the thread that calls `step`; everything
else posts to the queue. If a turn fails the transaction is rolled back and the controller
starts afresh from the store, as after a crash: every act is idempotent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from tuner.controller import lifecycle
from tuner.controller.asking import Asking, Suggested, Suggester
from tuner.controller.decide import Act, ActKind, Ask, Decisions, Transient, decide
from tuner.controller.inbox import Answered, Inbox, Request
from tuner.controller.launching import launched
from tuner.controller.lifecycle import Flight
from tuner.controller.progress import advance
from tuner.controller.view import View, fold
from tuner.domain.definitions import Tag
from tuner.domain.errors import AwsError, InternalFailure
from tuner.domain.jobs import AttemptKey, TrainingJob, TuningJob
from tuner.domain.ports import (
    Backend,
    Clock,
    Collected,
    Event,
    Faulted,
    Follower,
    InstanceExited,
    Prepared,
    Preparing,
    Records,
    Scraped,
)
from tuner.domain.statuses import TuningJobStatus
from tuner.strategies.base import Exhausted, Strategy, Suggestion

log = logging.getLogger("tuner.controller")

RECOVERY_SECONDS = 1.0
"""Pause after a failed turn before the records are read again."""

Answer = TypeVar("Answer")


class Controller:
    """Owns the view and all writing. See the module's docstring."""

    def __init__(
        self,
        records: Records,
        backend: Backend,
        follower: Follower,
        suggester: Suggester,
        find_strategy: Callable[[str], Strategy],
        clock: Clock,
        interruption_rate: float = 0.0,
    ) -> None:
        self._records = records
        self._backend = backend
        self._follower = follower
        self._strategies = Asking(suggester, find_strategy)
        self._clock = clock
        self._interruption_rate = interruption_rate
        self._inbox = Inbox()
        self.view = View()
        """What is known now; read it between turns or within one."""
        self._dirty: dict[int, TuningJob | TrainingJob] = {}
        self._flights: dict[AttemptKey, Flight] = {}
        self._asking: set[int] = set()
        self._exhausted: set[int] = set()
        self._notes: dict[int, str] = {}
        self._issued: set[tuple[ActKind, AttemptKey]] = set()
        self._outbox: list[Callable[[], None]] = []
        self._recover_at: float | None = None
        self._running = True

    # ---- for other threads -------------------------------------------------------------------

    def post(self, event: Event) -> None:
        self._inbox.put(event)

    def submit(self, run: Callable[[], Answer]) -> Future[Answer]:
        """Run something that writes records inside the next turn; its answer comes after the
        commit. An AwsError that `run` raises, before it wrote anything, is passed on."""
        future: Future[Answer] = Future()
        self._inbox.put(Request(run, future))
        return future

    def call(self, run: Callable[[], Answer], timeout: float) -> Answer:
        """`submit`, and wait; raises InternalFailure after `timeout` seconds."""
        try:
            return self.submit(run).result(timeout)
        except TimeoutError:
            text = f"The service did not answer within {timeout:.0f} seconds."
            raise InternalFailure(text) from None

    def run(self) -> None:
        """Turn after turn until `close`."""
        self._recover_at = 0.0
        while self._running:
            deadline = self.step(self._clock.now())
            wait = None if deadline is None else max(0.0, deadline - self._clock.now())
            self._inbox.wait(wait)
        for request in self._inbox.keep_requests():
            request.future.set_exception(InternalFailure("The service is shutting down."))

    def close(self) -> None:
        self._running = False
        self._inbox.wake()

    @property
    def busy(self) -> bool:
        """Whether any job has not ended, as far as is known."""
        return self.recovering or bool(self.view.tuning or self.view.plain)

    @property
    def recovering(self) -> bool:
        """Whether a turn has failed and the records were not read again yet."""
        return self._recover_at is not None

    # ---- for what runs inside a turn ---------------------------------------------------------

    def write(self, record: TuningJob | TrainingJob) -> None:
        """Take a new version of a record: it is seen at once and committed with the turn.

        Progress is the controller's own business: a tuning job keeps what it has, a training
        job that has ended gets its completion order and is added up.
        """
        if isinstance(record, TuningJob):
            current = self.view.tuning.get(record.id)
            if current is not None:
                record = replace(record, progress=current.job.progress)
            self._store(record)
            if record.status.terminal:
                self._exhausted.discard(record.id)
                self._notes.pop(record.id, None)
            return
        before = self.view.training_job(record.id)
        self._store(self._added_up(before, record))
        if before is not None and before.key != record.key:
            self._release(before)
        if record.status.terminal:
            self._keep_note(record)
            self._release(record)

    def tuning_job(self, job_id: int) -> TuningJob | None:
        """An active tuning job."""
        found = self.view.tuning.get(job_id)
        return found.job if found else None

    def training_job(self, job_id: int) -> TrainingJob | None:
        """An active training job."""
        return self.view.training_job(job_id)

    def uncommitted(self, job_id: int) -> bool:
        """Whether this turn has changed the record."""
        return job_id in self._dirty

    def written(self) -> Iterator[TuningJob | TrainingJob]:
        """What this turn has changed and not yet committed."""
        return iter(self._dirty.values())

    # ---- the turn ----------------------------------------------------------------------------

    def recover(self) -> None:
        """Forget everything but the store, and have the backend and the follower start over
        with what still runs."""
        for job in self.view.running():
            self._follower.forget(job.key)
        self._inbox.keep_requests()
        self.view = fold(self._records)
        self._dirty.clear()
        self._flights.clear()
        self._asking.clear()
        self._exhausted.clear()
        self._issued.clear()
        self._outbox.clear()
        self._recover_at = None
        self._backend.adopt(tuple(self.view.running()))

    def step(self, now: float) -> float | None:
        """One turn; returns when the next one is due at the latest (None: when something is
        posted). Never raises."""
        if self._recover_at is not None:
            if now < self._recover_at:
                return self._recover_at
            try:
                self.recover()
            except Exception:
                log.exception("the records cannot be read")
                self._recover_at = now + RECOVERY_SECONDS
                return self._recover_at
        answers: list[tuple[Future[Any], Any]] = []
        try:
            with self._records.transaction():
                self._take(now, answers)
                decisions = self._decide(now)
                self._flush()
        except Exception as error:
            log.exception("a turn failed; starting again from the records")
            self._fail(answers, error)
            self._recover_at = now + RECOVERY_SECONDS
            return self._recover_at
        for future, answer in answers:
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        try:
            self._act(decisions)
        except Exception:
            log.exception("an act failed; starting again from the records")
            self._recover_at = now + RECOVERY_SECONDS
            return self._recover_at
        return decisions.deadline if self._inbox.empty() else now

    def _take(self, now: float, answers: list[tuple[Future[Any], Any]]) -> None:
        for item in self._inbox.take():
            match item:
                case Request():
                    try:
                        answers.append((item.future, item.run()))
                    except AwsError as error:
                        answers.append((item.future, error))
                    except Exception as error:
                        answers.append((item.future, error))
                        raise
                case Answered():
                    self._suggested(item.ask, item.result, now)
                case _:
                    self._event(item, now)

    @staticmethod
    def _fail(answers: list[tuple[Future[Any], Any]], error: Exception) -> None:
        text = f"The request could not be stored: {error}"
        for future, answer in answers:
            future.set_exception(answer if isinstance(answer, AwsError) else InternalFailure(text))

    def _event(self, event: Event, now: float) -> None:
        job = self.view.find(event.key)
        if job is None:
            return
        flight = self._flights.get(job.key, Flight())
        match event:
            case Preparing():
                self.write(lifecycle.preparing(job, event.message, now))
            case Prepared():
                self.write(lifecycle.prepared(job, now))
            case InstanceExited():
                flight = replace(flight, exits={**flight.exits, event.host: event})
            case Collected():
                flight = replace(flight, collected=event)
            case Scraped():
                self._records.put_points(event.key, event.points, event.offset)
                if event.points:
                    self.write(lifecycle.scraped(job, event.points, now))
                if event.at_end:
                    flight = replace(flight, read_to_end=event)
            case Faulted():
                self.write(lifecycle.faulted(job, event.failure, now))
                return
        self._flights[job.key] = flight

    def _store(self, record: TuningJob | TrainingJob) -> None:
        self._dirty[record.id] = record
        self.view.apply(record)

    def _added_up(self, before: TrainingJob | None, job: TrainingJob) -> TrainingJob:
        tuning = self.view.tuning.get(job.tuning_job_id) if job.tuning_job_id else None
        if tuning is None:
            return job
        progress = tuning.job.progress
        if job.status.terminal and job.completion_order is None:
            job = replace(job, completion_order=progress.last_completion_order + 1)
        objective = tuning.job.objective_type
        assert objective is not None
        progress = advance(progress, before, job, objective)
        if progress != tuning.job.progress:
            modified = max(job.last_modified_time, tuning.job.last_modified_time)
            self._store(replace(tuning.job, progress=progress, last_modified_time=modified))
        return job

    def _keep_note(self, job: TrainingJob) -> None:
        """Why this job has no objective: its tuning job may have to say it at its own end."""
        if job.tuning_job_id is None or job.objective_value is not None:
            return
        read = self._flights.get(job.key, Flight()).read_to_end
        if read is not None and read.note:
            self._notes[job.tuning_job_id] = read.note

    def _decide(self, now: float) -> Decisions:
        while True:
            transient = Transient(
                self._asking,
                self._exhausted,
                self._flights,
                self._notes,
                self._interruption_rate,
            )
            decisions = decide(self.view, transient, self._backend.capacity(), now)
            for record in decisions.updates:
                self.write(record)
            answered = [ask for ask in decisions.asks if self._answer_at_once(ask, now)]
            decisions.asks = [ask for ask in decisions.asks if ask not in answered]
            if not decisions.updates and not answered:
                self._asking.update(ask.tuning_job_id for ask in decisions.asks)
                return decisions

    def _release(self, job: TrainingJob) -> None:
        """After the commit: nothing of this attempt is needed any more."""
        key = job.key
        self._flights.pop(key, None)
        self._issued = {item for item in self._issued if item[1] != key}
        self._outbox += [lambda: self._follower.forget(key), lambda: self._backend.release(key)]

    def _flush(self) -> None:
        for record in self._dirty.values():
            if isinstance(record, TuningJob):
                self._records.put_tuning_job(record)
            else:
                self._records.put_training_job(record)
        self._dirty.clear()

    # ---- suggestions -------------------------------------------------------------------------

    def _answer_at_once(self, ask: Ask, now: float) -> bool:
        """Answer an ask on this thread if the strategy needs no history for it."""
        result = self._strategies.at_once(self.view.tuning[ask.tuning_job_id], ask.index)
        if result is None:
            return False
        self._suggested(ask, result, now)
        return True

    def _ask(self, ask: Ask) -> None:
        tuning = self.view.tuning[ask.tuning_job_id]
        self._strategies.later(
            tuning, ask.index, lambda result: self._inbox.put(Answered(ask, result))
        )

    def _suggested(self, ask: Ask, result: Suggested, now: float) -> None:
        self._asking.discard(ask.tuning_job_id)
        tuning = self.view.tuning.get(ask.tuning_job_id)
        if tuning is None or ask.index != tuning.job.progress.counters.launched:
            return
        if tuning.job.status is not TuningJobStatus.IN_PROGRESS or tuning.job.outcome is not None:
            return
        match result:
            case Suggestion():
                job_id = self._records.new_id()
                job = launched(tuning.job, job_id, ask.index + 1, result, now)
                tags = self._records.tags(tuning.job.arn)
                self._records.put_tags(job.arn, [Tag(key=k, value=v) for k, v in tags.items()])
                self.write(job)
            case Exhausted():
                self._exhausted.add(ask.tuning_job_id)
            case _:
                reason = f"The strategy could not suggest hyperparameters: {result}"
                failed = replace(
                    tuning.job, outcome=TuningJobStatus.FAILED, failure_reason=reason[:1024]
                )
                self.write(failed)

    # ---- acts --------------------------------------------------------------------------------

    def _act(self, decisions: Decisions) -> None:
        outbox, self._outbox = self._outbox, []
        for run in outbox:
            run()
        for act in decisions.acts:
            if (act.kind, act.job.key) not in self._issued:
                self._issued.add((act.kind, act.job.key))
                self._issue(act)
        for ask in decisions.asks:
            self._ask(ask)

    def _issue(self, act: Act) -> None:
        match act.kind:
            case ActKind.PREPARE:
                self._backend.prepare(act.job)
            case ActKind.LAUNCH:
                self._follower.watch(act.job)
                self._backend.launch(act.job)
            case ActKind.STOP:
                self._backend.stop(act.job, act.grace_seconds)
            case ActKind.COLLECT:
                self._backend.collect(act.job)
                self._follower.finish(act.job)
