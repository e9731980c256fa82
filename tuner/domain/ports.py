"""The protocols through which the controller and the contract library reach the world.

Whoever implements one lives at the edge (`store/`, `backends/`); whoever uses one gets it
injected. All methods may be called from any thread unless the docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from tuner.domain.definitions import Tag
from tuner.domain.jobs import (
    AttemptKey,
    Failure,
    MetricPoint,
    Scope,
    TrainingJob,
    TuningJob,
)

Record = TypeVar("Record")

# ---- events: what backends and the log follower tell the controller --------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """What takes long before an attempt can be launched, as a StatusMessage; seconds apart."""

    key: AttemptKey
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Inputs and directories are there; the attempt can be launched."""

    key: AttemptKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """All instances run."""

    key: AttemptKey
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputGrew:
    """The attempt's log has lines that nobody has read yet."""

    key: AttemptKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """The log was read up to `offset`; `at_end` is true once the attempt's last line was read.

    `note` says why the log has no objective value: which regex, and the nearest lines.
    """

    key: AttemptKey
    offset: int
    points: tuple[MetricPoint, ...]
    at_end: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceExited:
    """One instance ended. `code` is the exit status, negative for the signal that killed it.

    `cause` explains an end that the code alone does not (`OutOfMemory: …`).
    """

    key: AttemptKey
    host: str
    code: int
    time: float
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Outputs are in the object store. `failure_text` is what the program left in
    /opt/ml/output/failure (first 1,024 characters)."""

    key: AttemptKey
    failure_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted:
    """The attempt cannot go on for a reason outside the program: bad input, lost instance,
    full disk. The backend has ended (or never started) all its instances."""

    key: AttemptKey
    failure: Failure


Event = (
    Preparing | Prepared | Started | OutputGrew | Scraped | InstanceExited | Collected | Faulted
)
EventSink = Callable[[Event], None]


# ---- backends --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the backend's machines have in all, in the units of `Resources`."""

    cpus: int
    memory_mib: int
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the backend can do; a request that needs more is refused at create.

    `images`: programs are container images (else bundled or mapped programs only);
    `images_note` says why they cannot be.
    `private_opt_ml`: /opt/ml is real (else SAGEMAKER_BASE_DIR relocates it).
    `multiple_instances`: hosts algo-1..N resolve for every program.
    `network_isolation`: programs can be kept from the network.
    """

    images: bool
    private_opt_ml: bool
    multiple_instances: bool
    network_isolation: bool = False
    note: str = ""
    images_note: str = ""


Reach = Callable[[TrainingJob, str], Mapping[str, str]]
"""Variables (AWS_ENDPOINT_URL, keys) for a program that reaches this machine at an IPv4 address
of it; none where the endpoint cannot be reached there. Quick, for any thread."""


def unreachable(job: TrainingJob, address: str) -> Mapping[str, str]:
    """The reach of a home that is not served."""
    return {}


class Backend(Protocol):
    """Runs attempts of training jobs; one attempt has all the instances of the job.

    Every act is asynchronous and idempotent by `job.key`: it returns at once, never raises for
    the job's sake, and what came of it arrives as events at the sink given to `start`. After a
    restart of the owner every act that the records call for is issued again; a launch that has
    happened is not repeated, its events are reported again from what the backend left on disk.
    Events may be repeated; their order per attempt is Preparing any number of times, Prepared,
    Started, InstanceExited per host, Collected, with OutputGrew anywhere from Started on, and
    Faulted instead of the rest.
    """

    name: str

    def start(self, post: EventSink) -> None:
        """Begin to work; called once, before everything else."""

    def capacity(self) -> Capacity: ...

    def capabilities(self, image: str | None = None, *, user_code: bool = False) -> Capabilities:
        """What it can do for training jobs of an image, or of any; `user_code` as below."""

    def image_fault(self, image: str, *, user_code: bool) -> str | None:
        """Why a training image cannot be run here; None when it can. With `user_code` it is
        asked to run a user's script or entry point. Takes some seconds at most."""

    def prepare(self, job: TrainingJob) -> None:
        """Fetch image and inputs and build directories: Prepared, or Faulted."""

    def launch(self, job: TrainingJob) -> None:
        """Start all instances: Started then InstanceExited for each, or Faulted."""

    def stop(self, job: TrainingJob, grace_seconds: float) -> None:
        """SIGTERM to every instance still running, SIGKILL after the grace; InstanceExited
        follows for each. For an attempt that was never launched nothing happens."""

    def collect(self, job: TrainingJob) -> None:
        """All instances have ended: store the last of the checkpoints, and pack model and output
        into the object store: Collected, or Faulted. Not only before the end of the job: what
        comes after an interruption replaces the outputs."""

    def release(self, key: AttemptKey) -> None:
        """Remove directories, processes and whatever else is left of an attempt."""

    def adopt(self, jobs: Sequence[TrainingJob]) -> None:
        """After a restart: `jobs` are all that are not terminal. Everything of ours that
        belongs to none of them is ended and removed; nothing else is touched."""

    def close(self) -> None:
        """Let go without ending anything: running instances go on."""


class Follower(Protocol):
    """Reads the logs of attempts and posts `Scraped` events. Acts are idempotent."""

    def watch(self, job: TrainingJob) -> None:
        """From now on read the attempt's log as it grows, from the committed offset."""

    def finish(self, job: TrainingJob) -> None:
        """All instances have ended: read to the end, then post Scraped(at_end=True)."""

    def forget(self, key: AttemptKey) -> None:
        """The attempt is over; nothing is posted for it any more."""


# ---- storage ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """`etag` is the MD5 in hex (as S3's, without quotes); `size` in bytes."""

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: float


class Objects(Protocol):
    """The object store: buckets of keys, each an immutable blob. Keys are never paths."""

    def put(self, bucket: str, key: str, source: BinaryIO) -> ObjectInfo:
        """Store a stream; replaces atomically. The bucket is made when it is missing."""

    def head(self, bucket: str, key: str) -> ObjectInfo | None: ...

    def open(self, bucket: str, key: str) -> BinaryIO:
        """Raises KeyError when there is no such object."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """In order of keys (UTF-8 bytes); empty for a bucket that does not exist."""

    def link(self, bucket: str, key: str, target: Path, copy: bool) -> None:
        """Put the content at `target`: a hard link to the blob (read only by agreement), or a
        copy of its own. Raises KeyError when there is no such object."""

    def delete(self, bucket: str, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line as it was printed: `time` in nanoseconds since the epoch."""

    time: int
    host: str
    text: str


class Logs(Protocol):
    """Log files of attempts: lines of all hosts in the order they arrived.

    Offsets are opaque positions that grow; 0 is the beginning.
    """

    def directory(self, key: AttemptKey) -> Path:
        """Where whoever runs the attempt writes its segments."""

    def read(self, key: AttemptKey, offset: int, limit: int) -> tuple[Sequence[LogLine], int]:
        """Up to `limit` whole lines from `offset` and the offset after them. Fewer lines than
        `limit` do not mean the end, none do."""

    def trim(self, key: AttemptKey, read_offset: int) -> None:
        """All before `read_offset` was read and committed: a log over its cap may lose it."""

    def remove(self, key: AttemptKey) -> None: ...


class Records(Protocol):
    """The job records. One writer: all writing happens inside `transaction`, on one thread."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything written inside becomes durable together, or not at all."""

    def new_id(self) -> int:
        """An id never given before, not even to a deleted record."""

    def put_tuning_job(self, job: TuningJob) -> None: ...

    def put_training_job(self, job: TrainingJob) -> None: ...

    def delete_tuning_job(self, job_id: int) -> None: ...

    def delete_training_job(self, job_id: int) -> None: ...

    def put_points(self, key: AttemptKey, points: Iterable[MetricPoint], offset: int) -> None:
        """Metric points and the log offset they were read up to, together."""

    def log_offset(self, key: AttemptKey) -> int: ...

    def active_tuning_jobs(self) -> Iterator[TuningJob]:
        """All that are not terminal, by id."""

    def training_jobs_of(self, tuning_job_id: int) -> Iterator[TrainingJob]:
        """All of one tuning job, by id."""

    def active_plain_training_jobs(self) -> Iterator[TrainingJob]:
        """Those without a tuning job that are not terminal, by id."""

    def find_tuning_job(self, scope: Scope, name: str) -> TuningJob | None:
        """By name, in any case; committed records only."""

    def find_training_job(self, scope: Scope, name: str) -> TrainingJob | None: ...

    def tags(self, arn: str) -> Mapping[str, str]: ...

    def put_tags(self, arn: str, tags: Iterable[Tag]) -> None: ...

    def delete_tags(self, arn: str, keys: Iterable[str]) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""


# ---- listing ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One page of a List operation, on committed records.

    `sort_by` is `Name`, `CreationTime`, `Status` or (training jobs of a tuning job only)
    `FinalObjectiveMetricValue`, which leaves out jobs without a value. `after` is the cursor of
    the previous page. Name matching ignores case. Times are epoch seconds, exclusive.
    """

    scope: Scope
    sort_by: str
    descending: bool = False
    limit: int = 10
    after: tuple[str | float, int] | None = None
    name_contains: str | None = None
    status: str | None = None
    creation_time_after: float | None = None
    creation_time_before: float | None = None
    last_modified_time_after: float | None = None
    last_modified_time_before: float | None = None
    tuning_job_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """`next` is the cursor of the following page; None when this one is the last."""

    items: tuple[Record, ...]
    next: tuple[str | float, int] | None


class Listings(Protocol):
    """Reads for the doors; each call sees one committed state."""

    def list_tuning_jobs(self, query: Query) -> Page[TuningJob]: ...

    def list_training_jobs(self, query: Query) -> Page[TrainingJob]: ...

    def training_job(self, job_id: int) -> TrainingJob | None: ...

    def points(self, key: AttemptKey) -> Sequence[MetricPoint]:
        """All metric points of one attempt in the order they were read."""
