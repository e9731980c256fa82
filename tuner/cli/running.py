"""Create jobs, follow them to their end, stop and delete them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tuner.cli import INTERRUPTED, STOPPED, Refusal
from tuner.cli.find import Found, find
from tuner.cli.follow import Follower, Snapshot
from tuner.cli.phase import Phase, phase_of
from tuner.cli.report import outcome_document, print_outcome
from tuner.cli.text import console, print_json
from tuner.client import Client
from tuner.domain.errors import AwsError, ResourceInUse, ResourceNotFound
from tuner.job import ENDED
from tuner.job.spec import NAME, Spec, request_of

_STATUS = {"Completed": 0, "Stopped": STOPPED}
_LONGEST_NAME = 32
_LOOK_EVERY = 0.4
_MOST_RUNS = 1000


def run(client: Client, spec: str, name: str | None, as_json: bool) -> int:
    request = request_of(Spec.of(spec), name, client)
    wanted = str(request[NAME])
    created = _create_under_free_name(client, request)
    if created != wanted:
        print(f"tuner: the name {wanted} is taken; this run is {created}", file=sys.stderr)
    return _follow(client, created, as_json)


def _create_under_free_name(client: Client, request: Mapping[str, Any]) -> str:
    """Create the job under its name or, where that is taken, with -2, -3, ... added."""
    wanted = str(request[NAME])
    name = wanted
    for count in range(2, _MOST_RUNS):
        try:
            client.call("CreateHyperParameterTuningJob", **{**request, NAME: name})
            return name
        except ResourceInUse:
            suffix = f"-{count}"
            name = wanted[: _LONGEST_NAME - len(suffix)].rstrip("-") + suffix
    raise Refusal(f"{wanted} and its {_MOST_RUNS - 2} successors are taken; give --name")


def create(client: Client, spec: str, name: str | None, as_json: bool) -> None:
    request = request_of(Spec.of(spec), name, client)
    try:
        answer = client.call("CreateHyperParameterTuningJob", **request)
    except ResourceInUse as error:
        raise Refusal(f"{error} (--name gives another)") from None
    if as_json:
        print_json(answer)
    else:
        print(f"{request[NAME]} is created; follow it with: tuner wait {request[NAME]}")


def wait(client: Client, name: str, as_json: bool) -> int:
    found = find(client, name)
    if found.kind == "tuning job":
        return _follow(client, found.name, as_json)
    return _wait_for_training_job(client, found, as_json)


def stop(client: Client, name: str) -> None:
    found = find(client, name)
    found.call(client, "Stop")
    print(f"{found.name} is stopping")


def interrupt(client: Client, name: str) -> None:
    found = find(client, name)
    if found.kind != "training job":
        raise Refusal(
            f"{found.name} is a tuning job; this command takes a training job: "
            f"tuner jobs {found.name} lists them"
        )
    client.call("Tuner.Interrupt", TrainingJobName=found.name)
    print(f"{found.name} is interrupted and will start again")


def delete(client: Client, name: str) -> None:
    found = find(client, name)
    found.call(client, "Delete")
    print(f"{found.name} is deleted")


def _follow(client: Client, name: str, as_json: bool) -> int:
    started = time.monotonic()
    try:
        snapshot = _watch(client, name, as_json)
    except KeyboardInterrupt:
        print(
            f"\ntuner: {name} goes on in the background. "
            f"Follow it: tuner wait {name}. Stop it: tuner stop {name}.",
            file=sys.stderr,
        )
        return INTERRUPTED
    except ResourceNotFound:
        seconds = time.monotonic() - started
        raise Refusal(f"{name} was deleted after {seconds:.0f} s of watching it") from None
    if as_json:
        print_json(outcome_document(client, snapshot.description))
    else:
        print_outcome(client, snapshot)
    return _STATUS.get(snapshot.status, 1)


def _watch(client: Client, name: str, quiet: bool) -> Snapshot:
    """Look, and show what there is to see, until the job has ended."""
    follower = Follower(client, name)
    if quiet:
        return _until_ended(follower, lambda snapshot: None)

    def phase(training_job_name: str) -> Phase:
        try:
            return phase_of(client.call("DescribeTrainingJob", TrainingJobName=training_job_name))
        except AwsError:
            return Phase("")

    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        from tuner.cli.plain import Lines

        return _until_ended(follower, Lines(phase).show)
    from tuner.cli.live import LiveView

    with LiveView(console(), phase) as live:
        return _until_ended(follower, live.show)


def _until_ended(follower: Follower, show: Callable[[Snapshot], None]) -> Snapshot:
    while True:
        snapshot = follower.look(time.time())
        show(snapshot)
        if snapshot.ended:
            return snapshot
        time.sleep(_LOOK_EVERY)


def _wait_for_training_job(client: Client, found: Found, as_json: bool) -> int:
    seen = Phase("")
    description = found.description
    try:
        while True:
            status = description["TrainingJobStatus"]
            phase = phase_of(description)
            if phase != seen and not as_json:
                seen = phase
                said = phase.pull or phase.status
                print(f"{time.strftime('%H:%M:%S')}  {found.name}  {said}", flush=True)
            if status in ENDED:
                break
            time.sleep(_LOOK_EVERY)
            description = found.call(client, "Describe")
    except KeyboardInterrupt:
        print(f"\ntuner: {found.name} goes on in the background.", file=sys.stderr)
        return INTERRUPTED
    if as_json:
        print_json(description)
    elif description.get("FailureReason"):
        print(f"tuner: {description['FailureReason']}", file=sys.stderr)
    return _STATUS.get(status, 1)
