"""What a training job costs beyond its program, against the same program started by hand.

    python tests/benchmarks/overhead.py [--jobs-second 40] [--jobs-noop 200] [--parallel 2]
    python tests/benchmarks/overhead.py --backend docker [--jobs-noop 40] [--rounds 3]

One run prints: 40 training jobs of one second and 200 that do nothing but print a metric, each
beside the same interpreter line started back to back at the same parallelism, and the peers'
no-op trials where they are installed (Syne Tune's LocalBackend, Ray Tune). With --backend docker
the no-op training jobs are containers, beside the same containers started by `docker run --rm`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conformance.backends.docker_stage import BASE, build
from tuner.client import Client
from tuner.settings import Settings

NOOP = "print('loss=1.0')"
SECOND = "import time; time.sleep(1); print('loss=1.0')"


def specification(name: str, image: str, jobs: int, parallel: int) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": jobs,
                "MaxParallelTrainingJobs": parallel,
            },
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
            "OutputDataConfig": {"S3OutputPath": "s3://amtlocal-output/overhead"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    }


def container(directory: Path, program: str) -> Path:
    directory.mkdir(parents=True)
    manifest = {"name": directory.name, "command": ["{python}", "-c", program]}
    (directory / "container.json").write_text(json.dumps(manifest))
    return directory


def by_docker(image: str, jobs: int, parallel: int) -> float:
    """Seconds for the same containers started back to back by the docker command."""
    options = "--init --cpus 1 --memory 1g --memory-swap 1g --pids-limit 4096 --shm-size 512m"
    options += " --cap-drop ALL --security-opt no-new-privileges --hostname algo-1"

    def run(_: int) -> None:
        with tempfile.TemporaryDirectory() as directory:
            mount = f"type=bind,source={directory},target=/opt/ml/input,readonly"
            subprocess.run(
                ["docker", "run", "--rm", *options.split(), "--mount", mount, image, "train"],
                check=True,
                stdout=subprocess.DEVNULL,
            )

    began = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(run, range(jobs)))
    return time.perf_counter() - began


def docker_rounds(jobs: int, parallel: int, rounds: int) -> None:
    """By hand and by us in turns, so that whatever else runs here troubles both."""
    image = build(f"FROM {BASE}\nENTRYPOINT {json.dumps(['python3', '-c', NOOP])}\n")
    with tempfile.TemporaryDirectory() as directory:
        settings = replace(
            Settings.from_environment(),
            home=Path(directory) / "home",
            backend="docker",
            cpus=parallel,
            memory_mib=parallel * 1024,
            idle_seconds=5.0,
        )
        client = Client(settings)
        by_tuner(client, "warm-up", image, 2, parallel)
        print(f"{'containers':22}{'jobs':>6}{'by hand s':>11}{'tuner s':>9}{'ratio':>7}")
        for number in range(rounds):
            hand = by_docker(image, jobs, parallel)
            ours = by_tuner(client, f"bench-{number}", image, jobs, parallel)
            print(f"{'no-op':22}{jobs:6}{hand:11.2f}{ours:9.2f}{ours / hand:7.2f}", flush=True)


def by_hand(program: str, jobs: int, parallel: int) -> float:
    """Seconds for the same line started back to back."""

    def run(_: int) -> None:
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)

    began = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(run, range(jobs)))
    return time.perf_counter() - began


def by_tuner(client: Client, name: str, image: str, jobs: int, parallel: int) -> float:
    """Seconds from the request to the end of the tuning job, which its record tells."""
    began = time.time()
    client.call("CreateHyperParameterTuningJob", **specification(name, image, jobs, parallel))
    while True:
        found = client.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
        if found["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(0.25)
    assert found["TrainingJobStatusCounters"]["Completed"] == jobs, found
    return float(found["HyperParameterTuningEndTime"]) - began


SYNE_TUNE = """
import sys, logging; logging.disable(logging.CRITICAL)
from syne_tune import Tuner, StoppingCriterion
from syne_tune.backend import LocalBackend
from syne_tune.config_space import uniform
from syne_tune.optimizer.baselines import RandomSearch
space = {"x": uniform(0, 1)}
Tuner(trial_backend=LocalBackend(entry_point=sys.argv[1]),
      scheduler=RandomSearch(space, metrics=["loss"]), n_workers=int(sys.argv[3]),
      stop_criterion=StoppingCriterion(max_num_trials_finished=int(sys.argv[2])),
      sleep_time=0.1, print_update_interval=1e9).run()
"""
SYNE_TUNE_TRIAL = """
import argparse
from syne_tune import Reporter
parser = argparse.ArgumentParser(); parser.add_argument("--x", type=float)
parser.parse_known_args(); Reporter()(loss=1.0)
"""
RAY_TUNE = """
import sys, ray
from ray import tune
ray.init(num_cpus=int(sys.argv[3]), include_dashboard=False, log_to_driver=False)
import time; began = time.perf_counter()
tune.Tuner(lambda config: {"loss": 1.0}, param_space={"x": tune.uniform(0, 1)},
           tune_config=tune.TuneConfig(num_samples=int(sys.argv[2])),
           run_config=tune.RunConfig(verbose=0)).fit()
print("SECONDS", time.perf_counter() - began)
"""


def peer(module: str, driver: str, trial: str, jobs: int, parallel: int) -> float | None:
    """Seconds per no-op trial of a peer; None where it is not installed."""
    if importlib.util.find_spec(module) is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        entry = Path(directory) / "trial.py"
        entry.write_text(trial)
        command = [sys.executable, "-c", driver, str(entry), str(jobs), str(parallel)]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=True)
        seconds = time.perf_counter() - began
    for line in done.stdout.splitlines():
        if line.startswith("SECONDS"):
            seconds = float(line.split()[1])
    return seconds / jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs-second", type=int, default=40)
    parser.add_argument("--jobs-noop", type=int)
    parser.add_argument("--backend", choices=["process", "docker"], default="process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs-peer", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=2)
    options = parser.parse_args()
    if options.backend == "docker":
        docker_rounds(options.jobs_noop or 40, options.parallel, options.rounds)
        return
    with tempfile.TemporaryDirectory() as directory:
        images = {
            "noop": str(container(Path(directory) / "noop", NOOP)),
            "second": str(container(Path(directory) / "second", SECOND)),
        }
        settings = replace(
            Settings.from_environment(),
            home=Path(directory) / "home",
            image_map=images,
            backend="process",
            cpus=options.parallel,
            idle_seconds=5.0,
        )
        client = Client(settings)
        by_tuner(client, "warm-up", "noop", 2, options.parallel)
        print(f"{'program':22}{'jobs':>6}{'by hand s':>11}{'tuner s':>9}{'ratio':>7}{'ms/job':>8}")
        for image, program, jobs in [
            ("second", SECOND, options.jobs_second),
            ("noop", NOOP, options.jobs_noop or 200),
        ]:
            hand = by_hand(program, jobs, options.parallel)
            ours = by_tuner(client, f"bench-{image}", image, jobs, options.parallel)
            print(
                f"{image:22}{jobs:6}{hand:11.2f}{ours:9.2f}{ours / hand:7.2f}"
                f"{1000 * ours / jobs:8.1f}"
            )
            if image == "second":
                ideal = jobs / options.parallel
                print(f"{'  over the ideal':22}{'':6}{ideal:11.2f}{'':9}{ours / ideal:7.3f}")
        for name, module, driver, trial in [
            ("Syne Tune LocalBackend", "syne_tune", SYNE_TUNE, SYNE_TUNE_TRIAL),
            ("Ray Tune", "ray", RAY_TUNE, ""),
        ]:
            cost = peer(module, driver, trial, options.jobs_peer, options.parallel)
            shown = "not installed" if cost is None else f"{1000 * cost:8.1f} ms per no-op trial"
            print(f"{name:22}  {shown}")


if __name__ == "__main__":
    main()
