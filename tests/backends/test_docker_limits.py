"""What a container may use, and what it cannot reach."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from tests.conformance.backends.docker_stage import BASE, DockerStage, build, client
from tests.conformance.backends.stage import changed, with_image
from tuner.backends import docker_rounds
from tuner.domain.definitions import ResourceConfig
from tuner.domain.jobs import Resources

REACH = """
    import socket, time
    def reach(host, port):
        began = time.monotonic()
        try:
            socket.create_connection((host, port), timeout=20).close()
            return "reached"
        except OSError as error:
            return error.strerror or str(error), time.monotonic() - began < 10
    """


def test_a_container_gets_its_share_and_no_more(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job(
        """
        import os, shutil
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(int(status["CapEff"], 16) & 1 << 21, status["NoNewPrivs"].strip())
        print(os.path.exists("/var/run/docker.sock"), shutil.disk_usage("/dev/shm").total >> 20)
        print(os.environ["OMP_NUM_THREADS"])
        """,
        memory_mib=512,
    )
    stage.run(job)
    sys_admin, docker_socket, threads = stage.texts(job)
    assert (sys_admin, docker_socket, threads) == ("0 1", "False 256", "1")
    (container,) = stage.containers(job)
    given = container.attrs["HostConfig"]
    assert given["NanoCpus"] == 10**9
    assert given["Memory"] == given["MemorySwap"] == 512 << 20
    assert given["PidsLimit"] == 4096
    assert given["NetworkMode"] != "host"


def test_more_processors_than_there_are_are_all_of_them(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = replace(stage.job("print('ran')"), resources=Resources(cpus=4096, memory_mib=256))
    stage.run(job)
    assert stage.texts(job) == ["ran"]


def test_the_input_cannot_be_written_to(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job(
        """
        import os
        for name in ("config/hyperparameters.json", "data/train/a.csv", "new", "data/train/new"):
            try:
                open("/opt/ml/input/" + name, "a")
            except OSError as error:
                print(error.strerror)
        print(open("/opt/ml/input/data/train/a.csv").read())
        """,
        channels=[stage.channel("train", {"a.csv": b"1,2"})],
    )
    stage.run(job)
    assert stage.texts(job) == ["Read-only file system"] * 4 + ["1,2"]


def test_an_isolated_program_has_no_network_and_knows_its_own_name(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    source = f"""{REACH}
    import json
    config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
    print(dict(socket.if_nameindex()), config["network_interface_name"])
    print(socket.gethostbyname("algo-1"))
    print(reach("203.0.113.1", 80))
    """
    job = changed(stage.job(source), enable_network_isolation=True)
    stage.run(job)
    assert stage.texts(job) == [
        "{1: 'lo'} lo",
        "127.0.0.1",
        "('Network is unreachable', True)",
    ]


def test_isolated_instances_reach_each_other_alone(docker_stage: DockerStage) -> None:
    stage = docker_stage
    source = f"""{REACH}
    me = socket.gethostname()
    server = socket.create_server((me, 7799))
    other = "algo-2" if me == "algo-1" else "algo-1"
    while reach(other, 7799) != "reached":
        time.sleep(0.05)
    print("met")
    print(reach("203.0.113.1", 80))
    gateway = socket.gethostbyname(me).rsplit(".", 1)[0] + ".1"
    print(reach(gateway, 22))
    time.sleep(1)
    """
    job = changed(stage.job(source, instances=2), enable_network_isolation=True)
    assert {end.code for end in stage.run(job).values()} == {0}
    for host in ("algo-1", "algo-2"):
        said = [line.text for line in stage.lines(job) if line.host == host]
        assert said[0] == "met"
        assert said[1:] == ["('No route to host', True)"] * 2


def test_two_jobs_of_several_instances_do_not_meet(docker_stage: DockerStage) -> None:
    stage = docker_stage
    source = "import socket, time; print(socket.gethostbyname('algo-1')); time.sleep(1)"
    jobs = [stage.job(source, number=number, instances=2) for number in (1, 2)]
    for job in jobs:
        stage.start(job)
    for job in jobs:
        stage.exits(job)
    first, second = (set(stage.texts(job)) for job in jobs)
    assert len(first) == len(second) == 1
    assert first != second


def test_a_program_that_fills_its_volume_is_ended_with_the_cause(
    docker_stage: DockerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = docker_stage
    monkeypatch.setattr(docker_rounds, "_LOOK_AT_DISK_EVERY", 0.2)
    stage.replace_owner()
    job = changed(
        stage.job(
            """
            import os, time
            file = open("/opt/ml/model/big", "wb")
            os.posix_fallocate(file.fileno(), 0, 3 << 29)
            time.sleep(60)
            """
        ),
        resource_config=ResourceConfig(
            instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1
        ),
    )
    end = stage.run(job)["algo-1"]
    assert end.code == -signal.SIGKILL
    assert end.cause == "the program wrote more than the 1 GB of its volume"


def test_the_images_own_command_is_run_as_aws_runs_it(docker_stage: DockerStage) -> None:
    stage = docker_stage
    script = b'#!/bin/sh\necho "$0 $*"; id -u > /opt/ml/model/who; exit 4\n'
    image = build(f"FROM {BASE}\nCOPY train /usr/local/bin/train\nUSER 1234\n", {"train": script})
    job = with_image(stage.job(""), image)
    assert stage.run(job)["algo-1"].code == 4
    assert stage.texts(job) == ["/usr/local/bin/train "]


def test_arguments_take_the_place_of_train(docker_stage: DockerStage) -> None:
    stage = docker_stage
    shown = stage.job("import sys; print(sys.argv[1:])")
    stage.run(shown)
    assert stage.texts(shown) == ["['train']"]
    given = stage.job("import sys; print(sys.argv[1:])", number=2, arguments=("--depth", "3"))
    stage.run(given)
    assert stage.texts(given) == ["['--depth', '3']"]


def test_variables_of_the_image_win_over_defaults_but_not_over_the_spec(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    show = 'ENTRYPOINT ["env"]\nCMD []\n'
    image = build(f"FROM {BASE}\nENV OMP_NUM_THREADS=9 MINE=image\n{show}")
    job = with_image(stage.job("", environment={"MINE": "spec"}, entrypoint=("env",)), image)
    stage.run(job)
    assert {"OMP_NUM_THREADS=9", "MINE=spec"} <= set(stage.texts(job))


def test_everything_of_ours_says_whose_it_is(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = replace(stage.job("", instances=2), tuning_job_id=77)
    stage.run(job)
    one, two = stage.containers(job)
    assert [one.labels["amtlocal.host"], two.labels["amtlocal.host"]] == ["algo-1", "algo-2"]
    expected = {"amtlocal.training-job": "job-1", "amtlocal.tuning-job-id": "77"}
    assert expected.items() <= one.labels.items()
    (network,) = client().networks.list(filters={"label": "amtlocal.training-job=job-1"})
    assert expected.items() <= network.attrs["Labels"].items()
