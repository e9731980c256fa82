"""What a program gets, and what is known of it when it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import tarfile

import pytest

from tests.conformance.backends.stage import BUCKET, Stage
from tuner.domain.definitions import InputMode, S3DataDistributionType
from tuner.domain.log_format import LINE_CAP, LINE_CUT_MARK
from tuner.domain.ports import Collected, Faulted, OutputGrew, Prepared, Started
from tuner.domain.statuses import FailureKind


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_programs(stage: Stage, code: int) -> None:
    job = stage.job(f"raise SystemExit({code})")
    assert stage.run(job)["algo-1"].code == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_a_negative_exit_code(stage: Stage, number: int) -> None:
    job = stage.job(f"import os; os.kill(os.getpid(), {number}); import time; time.sleep(60)")
    if stage.private and number == signal.SIGKILL:
        job = stage.job("import signal; signal.raise_signal(signal.SIGKILL)")
    assert stage.run(job)["algo-1"].code == -number


def test_events_come_in_order(stage: Stage) -> None:
    job = stage.job("print('x', flush=True); import time; time.sleep(0.3)")
    stage.run(job)
    kinds = [type(event).__name__ for event in stage.events]
    assert kinds == ["Prepared", "Started", "OutputGrew", "InstanceExited"]


def test_both_streams_are_kept_in_order(stage: Stage) -> None:
    job = stage.job(
        """
        import sys
        for number in range(50):
            print(number, file=sys.stdout if number % 2 else sys.stderr, flush=True)
        print("no newline at the end", end="")
        """
    )
    stage.run(job)
    texts = stage.texts(job)
    texts.remove("no newline at the end")
    printed = [int(text) for text in texts]
    assert sorted(printed) == list(range(50))
    error, output = ([n for n in printed if n % 2 == odd] for odd in (0, 1))
    for stream in [printed] if stage.one_pipe else [error, output]:
        assert stream == sorted(stream)
    assert {line.host for line in stage.lines(job)} == {"algo-1"}


def test_bytes_that_are_no_text_do_no_harm(stage: Stage) -> None:
    job = stage.job(
        r"""
        import os
        os.write(1, bytes(range(256)) + b"\nwindows\r\n50%\r100%\n\n")
        """
    )
    assert stage.run(job)["algo-1"].code == 0
    raw = bytes(range(256)).decode(errors="replace").split("\n")
    assert stage.texts(job) == [*raw, "windows", "50%\r100%", ""]


def test_an_endless_line_is_cut_and_marked(stage: Stage) -> None:
    job = stage.job(f"print('x' * {5 * LINE_CAP}); print('after')")
    stage.run(job)
    cut, after = stage.texts(job)
    assert cut == "x" * LINE_CAP + LINE_CUT_MARK.decode()
    assert after == "after"


def test_a_flood_of_output_costs_bounded_disk_and_keeps_its_last_line(
    stage: Stage,
) -> None:
    job = stage.job(
        f"""
        import os
        block = (b"x" * 99 + b"\\n") * 10_000
        for _ in range({stage.flood_lines // 10_000}):
            view = memoryview(block)
            while view:
                view = view[os.write(1, view):]
        print("last", flush=True)
        """
    )
    stage.run(job)
    count = 0
    offset = 0
    while page := stage.logs.read(job.key, offset, 10_000):
        lines, offset = page
        if not lines:
            break
        count += len(lines)
        last = lines[-1].text
    assert (count, last) == (stage.flood_lines + 1, "last")


def test_a_program_gets_its_job_and_nothing_of_the_users(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the user's")
    monkeypatch.setenv("SOMETHING_PRIVATE", "the user's")
    job = stage.job(
        """
        import json, os, socket
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        config = json.load(open(base + "/input/config/resourceconfig.json"))
        print(config["network_interface_name"] in dict(socket.if_nameindex()).values())
        for item in os.environ.items(): print(*item, sep="=")
        """,
        environment={"MINE": "yes", "OMP_NUM_THREADS": "7"},
    )
    stage.run(job)
    has_interface, *variables = stage.texts(job)
    seen = dict(line.split("=", 1) for line in variables)
    assert has_interface == "True"
    assert "the user's" not in seen.values()
    assert (seen["MINE"], seen["OMP_NUM_THREADS"]) == ("yes", "7")
    assert (seen["TRAINING_JOB_NAME"], seen["AWS_REGION"]) == ("job-1", "us-east-1")


def test_the_environment_is_allow_listed(
    process_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = process_stage
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the user's")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the user's")
    monkeypatch.setenv("SOMETHING_PRIVATE", "the user's")
    job = stage.job(
        "import os\nfor item in os.environ.items(): print(*item, sep='=')",
        environment={"MINE": "yes"},
    )
    stage.run(job)
    seen = dict(line.split("=", 1) for line in stage.texts(job))
    assert "the user's" not in seen.values()
    assert seen["HOME"] != os.environ["HOME"]
    assert seen["HOME"].startswith(str(stage.home))
    assert (seen["MINE"], seen["TRAINING_JOB_NAME"]) == ("yes", "job-1")
    said = json.loads(seen["SM_RESOURCE_CONFIG"])["network_interface_name"]
    assert seen["SM_NETWORK_INTERFACE_NAME"] == said
    assert said in dict(socket.if_nameindex()).values()


def test_standard_input_is_empty_and_no_descriptor_leaks(stage: Stage) -> None:
    job = stage.job(
        """
        import os, sys
        print(repr(sys.stdin.read()))
        print([fd for fd in range(3, 100) if os.path.exists(f"/dev/fd/{fd}")])
        """
    )
    stage.run(job)
    stdin, descriptors = stage.texts(job)
    assert stdin == "''"
    # the one open is the directory that the look-up itself may hold
    assert descriptors == "[]"


def test_model_and_outputs_reach_the_object_store(stage: Stage) -> None:
    job = stage.job(
        """
        import os
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        open(base + "/model/model.txt", "w").write("weights")
        open(base + "/output/data/extra.txt", "w").write("extra")
        open(base + "/output/failure", "w").write("what went wrong")
        raise SystemExit(1)
        """
    )
    stage.run(job)
    stage.backend.collect(job)
    assert stage.first(Collected, job.key).failure_text == "what went wrong"
    assert _archive(stage, "model.tar.gz") == {"model.txt": b"weights"}
    assert _archive(stage, "output.tar.gz") == {"extra.txt": b"extra"}


def test_a_model_that_there_is_no_room_for_is_the_clients_fault(stage: Stage) -> None:
    job = stage.job(
        """
        import os
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        open(base + "/model/holes", "wb").truncate(8 << 40)
        """
    )
    stage.run(job)
    stage.backend.collect(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.CLIENT
    assert failure.text.startswith("Artifact upload failed:")


def _archive(stage: Stage, name: str) -> dict[str, bytes]:
    with stage.objects.open(BUCKET, f"out/job-1/output/{name}") as file:
        packed = io.BytesIO(file.read())
    with tarfile.open(fileobj=packed) as archive:
        found = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read() for name, file in found.items() if file}


def test_a_channel_may_be_written_to_and_stays_as_it_is_for_others(
    namespaces_stage: Stage,
) -> None:
    stage = namespaces_stage
    channel = stage.channel("train", {"a.csv": b"1,2\n", "deep/b.csv": b"3\n"})
    source = """
        import os
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml") + "/input/data/train"
        print(open(base + "/a.csv").read().strip(), open(base + "/deep/b.csv").read().strip())
        os.remove(base + "/a.csv")
        open(base + "/a.csv", "w").write("other")
        open(base + "/cache", "w").write("mine")
        os.remove(base + "/deep/b.csv")
        print(sorted(os.listdir(base)))
        """
    for number in (1, 2):
        job = stage.job(source, number=number, channels=[channel])
        assert stage.run(job)["algo-1"].code == 0, stage.texts(job)
        assert stage.texts(job) == ["1,2 3", "['a.csv', 'cache', 'deep']"]
    with stage.objects.open(BUCKET, "train/a.csv") as file:
        assert file.read() == b"1,2\n"


def test_a_channel_can_be_read(stage: Stage) -> None:
    channel = stage.channel("train", {"a.csv": b"1,2\n"})
    source = """
        import os
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        print(open(base + "/input/data/train/a.csv").read().strip())
        """
    job = stage.job(source, channels=[channel])
    stage.run(job)
    assert stage.texts(job) == ["1,2"]


def test_a_fast_file_channel_is_read_only(private_stage: Stage) -> None:
    stage = private_stage
    channel = stage.channel("train", {"a.csv": b"1"}, mode=InputMode.FAST_FILE)
    job = stage.job(
        """
        try:
            open("/opt/ml/input/data/train/new", "w")
        except OSError as error:
            print(error.strerror)
        """,
        channels=[channel],
    )
    stage.run(job)
    assert stage.texts(job) == ["Read-only file system"]


def test_a_missing_input_is_the_clients_fault(stage: Stage) -> None:
    job = stage.job("", channels=[stage.channel("empty", {})])
    stage.backend.prepare(job)
    failure = stage.first(Faulted, job.key).failure
    assert failure.kind is FailureKind.CLIENT
    assert failure.text.startswith("Data download failed:No S3 objects found")


def test_a_fault_of_this_machine_names_none_of_its_paths(stage: Stage) -> None:
    job = stage.job("")
    in_the_way = stage.attempts() / str(job.key)
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("")
    stage.backend.prepare(job)
    failure = stage.first(Faulted, job.key).failure
    in_the_way.unlink()
    assert failure.kind is FailureKind.INTERNAL
    assert "Not a directory" in failure.text
    assert str(stage.home) not in failure.text


def test_entrypoint_and_arguments_replace_the_command(stage: Stage) -> None:
    show = "import sys; print(sys.argv[1:])"
    job = stage.job("", entrypoint=(stage.python, "-c", show), arguments=("--depth", "3"))
    stage.run(job)
    assert stage.texts(job) == ["['--depth', '3']"]


def test_a_program_that_is_missing_says_so(stage: Stage) -> None:
    job = stage.job("", entrypoint=("/no/such-program",))
    end = stage.run(job)["algo-1"]
    assert end.code == 127
    assert end.cause is not None
    assert end.cause.startswith("cannot start ")
    assert end.cause.endswith("such-program: No such file or directory")
    (said,) = stage.texts(job)
    assert "such-program" in said


def test_a_program_over_its_memory_is_killed_with_the_cause(stage: Stage) -> None:
    job = stage.job(
        """
        import time
        hoard = []
        while True:
            hoard.append(b"x" * (8 << 20))
            time.sleep(0.02)
        """,
        memory_mib=100,
    )
    end = stage.run(job)["algo-1"]
    assert (end.code, end.cause) == (
        -signal.SIGKILL,
        "OutOfMemory: the program used more than its 100 MiB",
    )


def test_instances_meet_by_name_and_may_use_the_same_port(private_stage: Stage) -> None:
    stage = private_stage
    job = stage.job(
        """
        import json, socket, time
        config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
        me, hosts = config["current_host"], config["hosts"]
        assert socket.gethostname() == me
        server = socket.create_server((me, 7799))
        if me == "algo-1":
            print(server.accept()[0].recv(100).decode())
            raise SystemExit(3)
        for _ in range(500):
            try:
                socket.create_connection(("algo-1", 7799), timeout=5).sendall(b"hello from 2")
                break
            except OSError:
                time.sleep(0.01)
        """,
        instances=2,
    )
    ends = stage.run(job)
    assert {host: end.code for host, end in ends.items()} == {"algo-1": 3, "algo-2": 0}
    assert [(line.host, line.text) for line in stage.lines(job)] == [("algo-1", "hello from 2")]


def test_shards_are_divided_among_the_instances(private_stage: Stage) -> None:
    stage = private_stage
    sharded = S3DataDistributionType.SHARDED_BY_S3_KEY
    files = dict.fromkeys(("a", "b", "c"), b"1")
    job = stage.job(
        "import os; print(sorted(os.listdir('/opt/ml/input/data/train')))",
        instances=2,
        channels=[stage.channel("train", files, distribution=sharded)],
    )
    stage.run(job)
    found = {line.host: line.text for line in stage.lines(job)}
    assert found == {"algo-1": "['a', 'c']", "algo-2": "['b']"}


def test_acts_may_be_repeated_and_a_launch_happens_once(stage: Stage) -> None:
    job = stage.job("print('ran', flush=True); import time; time.sleep(0.5)")
    for _ in range(2):
        stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    for _ in range(3):
        stage.backend.launch(job)
    stage.exits(job)
    stage.backend.prepare(job)
    stage.backend.launch(job)
    stage.wait(lambda: sum(isinstance(event, Started) for event in stage.events) >= 4)
    assert stage.texts(job) == ["ran"]


def test_a_released_attempt_leaves_nothing(stage: Stage) -> None:
    channel = stage.channel("train", {"deep/a.csv": b"1"})
    job = stage.job(
        """
        import os
        base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        os.makedirs(base + "/model/locked/inside")
        os.symlink("/", base + "/model/root")
        os.chmod(base + "/model/locked", 0)
        """,
        channels=[channel],
    )
    stage.run(job)
    stage.backend.release(job.key)
    stage.wait(lambda: not (stage.attempts() / str(job.key)).exists())
    assert stage.objects.head(BUCKET, "train/deep/a.csv") is not None


def test_output_is_told_of_while_the_program_runs(stage: Stage) -> None:
    job = stage.job("print('here', flush=True); import time; time.sleep(60)")
    stage.start(job)
    stage.first(OutputGrew, job.key)
    assert stage.texts(job) == ["here"]


def test_programs_leave_the_processors_to_whoever_waits_for_an_answer(
    process_stage: Stage,
) -> None:
    stage = process_stage
    job = stage.job(
        """
        import os, time
        time.sleep(0.2)
        print(os.nice(0))
        """
    )
    stage.run(job)
    assert stage.texts(job) == ["10"]
