"""How many log lines per second become metrics: `python tests/benchmarks/scrape.py [MEGABYTES]`.

First the scraper alone with the built-in XGBoost's definitions, then the follower on a log on
disk of so many megabytes (default 200), one line in a hundred with two metrics.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tuner.domain.definitions import (
    AlgorithmSpecification,
    InputMode,
    MetricDefinition,
    OutputDataConfig,
    StoppingCondition,
    TrainingSpec,
)
from tuner.domain.jobs import AttemptKey, Resources, Scope, TrainingJob
from tuner.domain.log_format import SEGMENT_BYTES, encode_line, segment_name
from tuner.domain.ports import Event, LogLine, Scraped
from tuner.store.logs import SegmentedLogs
from tuner.training.containers import find_container
from tuner.training.follow import LogFollower
from tuner.training.metrics import MetricScraper

OBJECTIVE = "validation:rmse"
LINES = {
    "no metric": "INFO:root:epoch 17 of 100, batch 32, learning rate 0.001",
    "200 letters": "x" * 200,
    "one metric": "[12]\ttrain-rmse:0.5\tvalidation-rmse:0.25",
    "three metrics": "[12]\tvalidation-rmse:0.5\tvalidation-mae:0.25\tvalidation-mse:0.125",
}


def definitions() -> Sequence[MetricDefinition]:
    container = find_container("xgboost", {})
    assert container is not None
    return container.algorithm.metric_definitions


def scan(text: str, count: int = 50_000) -> float:
    scraper = MetricScraper(definitions(), OBJECTIVE)
    line = LogLine(1, "algo-1", text)
    started = time.perf_counter()
    for _ in range(count):
        for _ in scraper.scan(line):
            pass
    return count / (time.perf_counter() - started)


def write_log(directory: Path, megabytes: int) -> int:
    """Fill segments as a keeper would; how many lines that are."""
    plain = encode_line(1, "algo-1", LINES["no metric"].encode())
    metric = encode_line(1, "algo-1", LINES["three metrics"].encode())
    block = (plain * 99 + metric) * 100
    directory.mkdir(parents=True)
    written = 0
    while written < megabytes * 1_000_000:
        segment = block * (SEGMENT_BYTES // len(block))
        (directory / segment_name(written)).write_bytes(segment)
        written += len(segment)
    return written // len(block) * 10_000


def follow(megabytes: int) -> None:
    spec = TrainingSpec(
        algorithm_specification=AlgorithmSpecification(
            training_input_mode=InputMode.FILE, metric_definitions=tuple(definitions())
        ),
        role_arn="arn:aws:iam::123456789012:role/training",
        output_data_config=OutputDataConfig(s3_output_path="s3://results"),
        stopping_condition=StoppingCondition(),
    )
    job = TrainingJob(
        id=1,
        scope=Scope(account="123456789012", region="us-east-1"),
        name="scrape",
        spec=spec,
        hyper_parameters={},
        resources=Resources(),
        creation_time=0.0,
        last_modified_time=0.0,
        objective_metric=OBJECTIVE,
    )
    ended, committed, points = threading.Event(), {job.key: 0}, 0

    def post(event: Event) -> None:
        nonlocal points
        assert isinstance(event, Scraped)
        committed[event.key] = event.offset
        points += len(event.points)
        if event.at_end:
            ended.set()

    def offset_of(key: AttemptKey) -> int:
        return committed[key]

    with tempfile.TemporaryDirectory() as place:
        logs = SegmentedLogs(Path(place))
        lines = write_log(logs.directory(job.key), megabytes)
        follower = LogFollower(logs, offset_of, post)
        started = time.perf_counter()
        follower.start()
        follower.finish(job)
        ended.wait()
        seconds = time.perf_counter() - started
        follower.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{'follower':15} {lines / seconds:10,.0f} lines/s, {megabytes / seconds:.1f} MB/s, "
        f"{points:,} points, {memory} MiB at most"
    )


if __name__ == "__main__":
    for name, text in LINES.items():
        print(f"{name:15} {scan(text):10,.0f} lines/s")
    follow(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
