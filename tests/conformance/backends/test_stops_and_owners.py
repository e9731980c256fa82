"""How programs are ended, and how they outlive the owner that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conformance.backends.stage import BROOD, Stage
from tuner.domain.ports import InstanceExited, Prepared, Started

STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
    """


def test_a_stop_reaches_the_programs_handler(stage: Stage) -> None:
    job = stage.job(
        """
        import os, signal, sys, time
        def leave(*_):
            os.write(1, b"saving\\n")  # the first print may not have returned
            sys.exit(7)
        signal.signal(signal.SIGTERM, leave)
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    stage.start(job)
    stage.wait_for_line(job, "ready")
    stage.backend.stop(job, 60)
    assert stage.exits(job)["algo-1"].code == 7
    assert stage.texts(job) == ["ready", "saving"]


def test_a_program_without_a_handler_ends_at_once(stage: Stage) -> None:
    job = stage.job("import time; time.sleep(60)")
    stage.start(job)
    stage.backend.stop(job, 60)
    assert stage.exits(job)["algo-1"].code == -signal.SIGTERM


def test_the_stop_also_reaches_what_a_wrapper_started(stage: Stage) -> None:
    shell = f"{stage.python} -c 'import time; print(1, flush=True); time.sleep(60)'; echo over"
    job = stage.job("", entrypoint=("/bin/sh", "-c", shell))
    stage.start(job)
    stage.wait_for_line(job, "1")
    stage.backend.stop(job, 60)
    assert stage.exits(job)["algo-1"].code == -signal.SIGTERM
    assert not stage.alive(job)


def test_after_the_grace_comes_sigkill(stage: Stage) -> None:
    job = stage.job(STUBBORN)
    stage.start(job)
    stage.wait_for_line(job, "ready")
    stage.backend.stop(job, 0.2)
    assert stage.exits(job)["algo-1"].code == -signal.SIGKILL


def test_the_grace_runs_on_without_an_owner(stage: Stage) -> None:
    job = stage.job(STUBBORN)
    stage.start(job)
    stage.wait_for_line(job, "ready")
    stage.backend.stop(job, 0.3)
    stage.backend.close()
    stage.wait(lambda: not stage.alive(job))
    stage.events.clear()
    stage.backend = stage.owner()
    stage.backend.adopt([job])
    assert stage.exits(job)["algo-1"].code == -signal.SIGKILL


def test_a_stop_of_what_was_never_launched_does_nothing(stage: Stage) -> None:
    job = stage.job("print('ran')")
    stage.backend.stop(job, 0)
    assert stage.run(job)["algo-1"].code == 0


def test_a_stop_catches_a_launch_that_is_on_its_way(stage: Stage) -> None:
    job = stage.job("import time; time.sleep(60)")
    stage.backend.prepare(job)
    stage.first(Prepared, job.key)
    stage.backend.launch(job)
    stage.backend.stop(job, 60)
    assert stage.exits(job)["algo-1"].code == -signal.SIGTERM


def test_no_descendant_survives_a_stop(stage: Stage) -> None:
    job = stage.job(BROOD)
    stage.start(job)
    stage.wait_for_line(job, "orphan")
    assert stage.alive(job)
    stage.backend.stop(job, 60)
    stage.exits(job)
    assert not stage.alive(job)


def test_no_descendant_survives_the_end_of_its_program(stage: Stage) -> None:
    job = stage.job(BROOD)
    stage.start(job)
    stage.wait_for_line(job, "orphan")
    stage.touch(job, "go")
    assert stage.exits(job)["algo-1"].code == 0
    assert not stage.alive(job)


def test_every_instance_is_stopped(private_stage: Stage) -> None:
    stage = private_stage
    job = stage.job("import time; time.sleep(60)", instances=2)
    stage.start(job)
    stage.backend.stop(job, 60)
    assert {end.code for end in stage.exits(job).values()} == {-signal.SIGTERM}


def test_a_new_owner_hears_what_happened_without_one(stage: Stage) -> None:
    done = stage.job("print('done')", number=1)
    goes_on = stage.job(
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('went on')",
        number=2,
    )
    stage.run(done)
    stage.start(goes_on)
    stage.replace_owner()
    stage.backend.adopt([done, goes_on])
    assert stage.first(InstanceExited, done.key).code == 0
    stage.first(Started, goes_on.key)
    stage.touch(goes_on, "go")
    assert stage.exits(goes_on)["algo-1"].code == 0
    assert stage.texts(goes_on) == ["went on"]


def test_programs_outlive_an_owner_that_is_killed(stage: Stage) -> None:
    job = stage.job("import time; print('ready', flush=True); time.sleep(60)")
    stage.backend.close()
    root = Path(__file__).resolve().parents[3]
    source = f"""
import sys, time
sys.path.insert(0, {str(root)!r})
from pathlib import Path
{stage.recipe}
stage.start(stage.job("import time; print('ready', flush=True); time.sleep(60)"))
print("started", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        owner.kill()
    stage.backend = stage.owner()
    stage.backend.adopt([job])
    stage.first(Started, job.key)
    stage.wait_for_line(job, "ready")
    assert stage.alive(job)
    stage.backend.stop(job, 60)
    assert stage.exits(job)["algo-1"].code == -signal.SIGTERM


def test_adoption_ends_what_belongs_to_nobody(stage: Stage) -> None:
    stray, kept = stage.job("import time; time.sleep(60)"), stage.job("", number=2)
    stage.start(stray)
    stage.run(kept)
    foreign = stage.attempts() / "not-ours"
    foreign.mkdir()
    stage.replace_owner()
    stage.backend.adopt([kept])
    stage.wait(lambda: not (stage.attempts() / "1-1").exists())
    assert not stage.alive(stray)
    assert (stage.attempts() / "2-1").exists()
    assert foreign.exists()
    foreign.rmdir()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_program_that_turns_on_its_parent_only_harms_itself(stage: Stage, number: int) -> None:
    job = stage.job(f"import os, time; os.kill(os.getppid(), {number}); time.sleep(60)")
    stage.start(job)
    time.sleep(0.2)
    stage.backend.stop(job, 0.2)
    assert stage.exits(job)["algo-1"].code in (-signal.SIGKILL, -signal.SIGTERM)
    assert not stage.alive(job)
