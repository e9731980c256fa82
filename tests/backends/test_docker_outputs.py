"""What a container's program wrote is fetched, whoever it ran as, and goes nowhere else."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.backends.docker_stage import BASE, DockerStage, build
from tests.conformance.backends.stage import BUCKET, changed, with_image
from tuner.backends.docker_outputs import unpack, writable_directories
from tuner.domain.ports import Collected, Faulted
from tuner.training.outputs import OutputError

WRITE = """
import os
os.makedirs("/opt/ml/model/deep", mode=0o700)
open("/opt/ml/model/deep/weights", "w").write("weights")
os.chmod("/opt/ml/model/deep/weights", 0o400)
os.symlink("/etc/shadow", "/opt/ml/model/link")
os.link("/opt/ml/model/deep/weights", "/opt/ml/model/again")
os.mkfifo("/opt/ml/model/pipe")
open("/opt/ml/output/data/table", "w").write("rows")
open("/opt/ml/output/failure", "w").write("why")
os.chmod("/opt/ml/output/failure", 0)
"""


def stored(stage: DockerStage, name: str) -> tarfile.TarFile:
    with stage.objects.open(BUCKET, f"out/job-1/output/{name}") as file:
        return tarfile.open(fileobj=io.BytesIO(file.read()))


@pytest.mark.parametrize("user", ["root", "4711:4711"])
def test_outputs_belong_to_us_whatever_user_wrote_them(
    docker_stage: DockerStage, user: str
) -> None:
    stage = docker_stage
    image = build(
        f"FROM {BASE}\nCOPY train /train\nUSER {user}\nENTRYPOINT python3 /train\n",
        {"train": WRITE.encode()},
    )
    job = with_image(stage.job(""), image)
    assert stage.run(job)["algo-1"].code == 0, stage.texts(job)
    stage.backend.collect(job)
    assert stage.first(Collected, job.key).failure_text == "why"
    with stored(stage, "model.tar.gz") as model:
        assert model.getnames() == ["again", "deep", "deep/weights", "link"]
        file = model.extractfile("deep/weights")
        assert file is not None
        assert file.read() == b"weights"
        assert model.getmember("link").linkname == "/etc/shadow"
    with stored(stage, "output.tar.gz") as output:
        assert output.getnames() == ["table"]
    tree = stage.attempts() / "1-1" / "algo-1" / "ml"
    assert {path.lstat().st_uid for path in tree.rglob("*")} == {os.getuid()}


def test_nothing_written_is_an_empty_model(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job("print('nothing')")
    stage.run(job)
    for _ in range(2):
        stage.backend.collect(job)
    assert stage.first(Collected, job.key).failure_text is None
    with stored(stage, "model.tar.gz") as model:
        assert model.getnames() == []
    assert stage.objects.head(BUCKET, "out/job-1/output/output.tar.gz") is None


def test_directories_that_are_gone_or_replaced_do_no_harm(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job(
        """
        import os, shutil
        shutil.rmtree("/opt/ml/model")
        os.symlink("/etc", "/opt/ml/model")
        shutil.rmtree("/opt/ml/output")
        """
    )
    stage.run(job)
    stage.backend.collect(job)
    stage.first(Collected, job.key)
    with stored(stage, "model.tar.gz") as model:
        assert model.getnames() == []


def test_outputs_of_a_container_that_somebody_removed_are_lost_with_a_word(
    docker_stage: DockerStage,
) -> None:
    stage = docker_stage
    job = stage.job("")
    stage.run(job)
    stage.containers(job)[0].remove(force=True)
    stage.backend.collect(job)
    assert "removed by somebody else" in stage.first(Faulted, job.key).failure.text


def test_outputs_that_there_is_no_room_for_take_none(docker_stage: DockerStage) -> None:
    stage = docker_stage
    job = stage.job("open('/opt/ml/model/weights', 'wb').truncate(2 << 30)")
    assert job.spec.resource_config is not None
    config = replace(job.spec.resource_config, volume_size_in_gb=1)
    job = changed(job, resource_config=config)
    stage.run(job)
    stage.backend.collect(job)
    assert stage.first(Faulted, job.key).failure.reason == (
        "ClientError: Artifact upload failed:"
        "/opt/ml/model and /opt/ml/output hold more than the 1 GB of the volume (VolumeSizeInGB)"
    )
    tree = stage.attempts() / "1-1" / "algo-1" / "ml"
    assert not (tree / "model").exists()


def packed(*members: tuple[str, bytes, str | bytes]) -> Iterator[bytes]:
    """A tar stream in blocks of (name, type, link target or content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o755
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content
                archive.addfile(member)
    data = file.getvalue()
    return (data[start : start + 100] for start in range(0, len(data), 100))


TOP = ("model", tarfile.DIRTYPE, b"")


@pytest.mark.parametrize(
    "members",
    [
        [TOP, ("model/../../out", tarfile.REGTYPE, b"x")],
        [TOP, ("model/link", tarfile.SYMTYPE, "/tmp"), ("model/link/out", tarfile.REGTYPE, b"x")],
        [("model/out", tarfile.REGTYPE, b"x")],
    ],
)
def test_an_archive_cannot_reach_out_of_its_directory(
    tmp_path: Path, members: list[tuple[str, bytes, str | bytes]]
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    with pytest.raises(OutputError, match="out of its place"):
        unpack(packed(*members), target, 1000)
    assert not list(tmp_path.rglob("out"))


def test_a_hard_link_out_of_the_directory_is_left_out(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (tmp_path / "secret").write_text("secret")
    unpack(packed(TOP, ("model/a", tarfile.LNKTYPE, "model/../secret")), target, 1000)
    assert list(target.iterdir()) == []


def test_holes_take_no_room(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    content = b"start" + bytes(5 << 20) + b"end" + bytes(3 << 20)
    archive = b"".join(packed(TOP, ("model/a", tarfile.REGTYPE, content)))
    assert unpack(iter([archive]), target, 1 << 30) == len(content)
    assert (target / "a").read_bytes() == content
    assert (target / "a").stat().st_blocks * 512 <= 3 << 20


def test_more_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    with pytest.raises(OutputError, match="holds more than the 10 bytes"):
        unpack(packed(TOP, ("model/a", tarfile.REGTYPE, b"x" * 11)), target, 10)


def test_an_archive_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    blocks = list(packed(TOP, ("model/a", tarfile.REGTYPE, b"x" * 2000)))
    with pytest.raises(OutputError, match="broke off"):
        unpack(iter(blocks[:15]), target, 10_000)


def test_programs_of_any_user_may_write() -> None:
    with tarfile.open(fileobj=io.BytesIO(writable_directories())) as archive:
        modes = {member.name: member.mode for member in archive}
    assert modes["opt/ml/model"] == modes["opt/ml/output/data"] == 0o777
