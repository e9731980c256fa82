"""A directory of checkpoints, and the prefix in S3 that follows it."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.training_job import training_job
from tuner.domain.definitions import CheckpointConfig
from tuner.domain.jobs import TrainingJob
from tuner.store.objects import FileObjects
from tuner.training import checkpoint_directory, checkpoints
from tuner.training.checkpoint_directory import CheckpointDirectory
from tuner.training.checkpoints import CheckpointError, Checkpoints, below_opt_ml
from tuner.training.inputs import InputError

BUCKET = "bucket"
URI = f"s3://{BUCKET}/runs/a"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    made = FileObjects(tmp_path / "objects")
    yield made
    made.close()


class Host:
    """An instance's tree and what follows it; `again` is a later owner's view of the same."""

    def __init__(self, objects: FileObjects, tree: Path, below: str = "checkpoints") -> None:
        self.objects, self.tree, self.below = objects, tree, below
        tree.mkdir(parents=True, exist_ok=True)
        self.place = tree / below
        self.follower = CheckpointDirectory(objects, URI, tree, below)

    def again(self) -> Host:
        return Host(self.objects, self.tree, self.below)

    def write(self, name: str, content: str) -> None:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            time.sleep(max(0.0, self.follower._due - time.monotonic()))
            self.follower.store_some()

    def read(self) -> dict[str, str]:
        files = (path for path in self.place.rglob("*") if path.is_file())
        return {str(path.relative_to(self.place)): path.read_text() for path in files}


@pytest.fixture
def host(objects: FileObjects, tmp_path: Path) -> Host:
    made = Host(objects, tmp_path / "algo-1" / "ml")
    made.follower.provide()
    return made


def stored(objects: FileObjects, prefix: str = "runs/a/") -> dict[str, str]:
    return {
        info.key.removeprefix(prefix): objects.open(BUCKET, info.key).read().decode()
        for info in objects.list(BUCKET, prefix)
    }


def put(objects: FileObjects, key: str, content: str) -> None:
    objects.put(BUCKET, key, io.BytesIO(content.encode()))


# ---- the start -------------------------------------------------------------------------------


def test_what_is_below_the_prefix_is_copied_in(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "runs/a/step-1/weights", "one")
    put(objects, "runs/a/latest", "step-1")
    put(objects, "runs/a/", "")
    put(objects, "runs/ab/other", "no")
    put(objects, "runs/a2", "no")
    host = Host(objects, tmp_path / "algo-1" / "ml")
    host.follower.provide()
    assert host.read() == {"step-1/weights": "one", "latest": "step-1"}
    host.write("latest", "step-2")  # they are files of its own
    assert stored(objects)["latest"] == "step-1"


def test_the_newest_object_is_the_newest_file(objects: FileObjects, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        put(objects, f"runs/a/{name}", name)
        time.sleep(0.01)
    host = Host(objects, tmp_path / "algo-1" / "ml")
    host.follower.provide()
    in_order = sorted(host.place.iterdir(), key=lambda path: path.stat().st_mtime)
    assert [path.name for path in in_order] == ["b", "a", "c"]


@pytest.mark.parametrize("key", ["runs/a/../../x", "runs/a/b/../../../x", "runs/a//etc/x"])
def test_a_key_that_leads_out_of_the_directory_is_refused(
    objects: FileObjects, tmp_path: Path, key: str
) -> None:
    put(objects, key, "x")
    with pytest.raises(InputError):
        Host(objects, tmp_path / "algo-1" / "ml").follower.provide()


def test_what_was_copied_in_is_not_stored_again(host: Host, objects: FileObjects) -> None:
    put(objects, "runs/a/x", "mine")
    host.follower.provide()
    put(objects, "runs/a/x", "somebody else's")
    host.look(3)
    host.follower.store_all()
    assert stored(objects) == {"x": "somebody else's"}


# ---- while the program runs ------------------------------------------------------------------


def test_new_changed_and_deleted_files_are_followed(host: Host, objects: FileObjects) -> None:
    host.write("a", "1")
    host.write("deep/er/b", "1")
    host.look(2)
    assert stored(objects) == {"a": "1", "deep/er/b": "1"}
    host.write("a", "2")
    (host.place / "deep/er/b").unlink()
    host.look(2)
    assert stored(objects) == {"a": "2"}


def test_a_file_that_grows_is_stored_when_it_is_whole(host: Host, objects: FileObjects) -> None:
    for size in range(1, 5):
        host.write("a", "x" * size)
        host.look()
        assert stored(objects) == {}
    host.look()
    assert stored(objects) == {"a": "xxxx"}


def test_a_file_that_never_rests_is_stored_now_and_then(host: Host, objects: FileObjects) -> None:
    found = []
    for number in range(24):
        host.write("a", str(number))
        host.look()
        found.append(stored(objects).get("a"))
    assert found[4] is None
    assert 2 <= len({value for value in found if value is not None}) <= 6


def test_a_file_of_the_same_size_and_time_that_is_another_one_is_stored(
    host: Host, objects: FileObjects
) -> None:
    host.write("a", "one")
    host.look(2)
    host.write("draft", "two")
    status = (host.place / "a").stat()
    os.utime(host.place / "draft", ns=(status.st_atime_ns, status.st_mtime_ns))
    (host.place / "draft").replace(host.place / "a")
    host.look(2)
    assert stored(objects) == {"a": "two"}


def test_what_others_put_into_s3_is_neither_pulled_nor_deleted(
    host: Host, objects: FileObjects
) -> None:
    host.write("a", "1")
    host.look(2)
    put(objects, "runs/a/theirs", "x")
    host.look(3)
    host.follower.store_all()
    assert stored(objects) == {"a": "1", "theirs": "x"}
    assert host.read() == {"a": "1"}


def test_two_hosts_share_the_prefix(host: Host, objects: FileObjects, tmp_path: Path) -> None:
    other = Host(objects, tmp_path / "algo-2" / "ml")
    other.follower.provide()
    host.write("from-1", "1")
    other.write("from-2", "2")
    host.look(2)
    other.look(2)
    (host.place / "from-1").unlink()
    host.look(2)
    assert stored(objects) == {"from-2": "2"}


def test_a_program_cannot_lead_out_of_its_directory(
    host: Host, objects: FileObjects, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (host.place / "link").symlink_to(tmp_path / "secret" / "key")
    (host.place / "links").symlink_to(tmp_path / "secret")
    os.mkfifo(host.place / "pipe")
    host.write("real", "1")
    host.look(2)
    host.follower.store_all()
    assert stored(objects) == {"real": "1"}


def test_a_directory_that_became_a_link_says_nothing(
    host: Host, objects: FileObjects, tmp_path: Path
) -> None:
    host.write("a", "1")
    host.look(2)
    host.place.rename(tmp_path / "away")
    host.place.symlink_to("/etc")
    host.look(3)
    host.follower.store_all()
    assert stored(objects) == {"a": "1"}


def test_names_that_no_key_can_have_are_left_out(host: Host, objects: FileObjects) -> None:
    deep = host.place.joinpath(*["d" * 250] * 4)
    deep.mkdir(parents=True)
    (deep / ("f" * 50)).write_text("x")
    (host.place / "half.sagemaker-ignore").write_text("x")
    Path(os.fsdecode(os.fsencode(host.place) + b"/\xff")).write_text("x")
    host.write("a", "1")
    host.follower.store_all()
    assert stored(objects) == {"a": "1"}


def test_one_pass_does_a_bounded_part_the_oldest_first(
    host: Host, objects: FileObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_directory, "_FILES_PER_PASS", 2)
    for number in range(5):
        host.write(f"{9 - number}", "x")
        os.utime(host.place / f"{9 - number}", (number, number))
    host.look(2)
    assert set(stored(objects)) == {"9", "8"}
    host.look(2)
    assert set(stored(objects)) == {"9", "8", "7", "6", "5"}
    monkeypatch.setattr(checkpoint_directory, "_BYTES_PER_PASS", 10)
    for name in ("a", "b"):
        host.write(name, "x" * 100)
    host.look(2)
    assert len(stored(objects)) == 6
    host.follower.store_all()
    assert len(stored(objects)) == 7


class Torn(FileObjects):
    """Its `put` lets a file change while it is read."""

    def put(self, bucket, key, source):  # type: ignore[no-untyped-def]
        read = source.read

        def changing(size: int = -1) -> bytes:
            data: bytes = read(size)
            if data:
                self.change()
            return data

        source.read = changing
        return super().put(bucket, key, source)


def test_a_file_that_changes_while_it_is_read_is_no_object(tmp_path: Path) -> None:
    objects = Torn(tmp_path / "objects")
    host = Host(objects, tmp_path / "algo-1" / "ml")
    host.follower.provide()
    objects.change = lambda: host.write("a", "half of the new one")  # type: ignore[attr-defined]
    host.write("a", "old")
    host.look(2)
    assert stored(objects) == {}
    objects.change = lambda: None  # type: ignore[attr-defined]
    host.look(2)
    assert stored(objects) == {"a": "half of the new one"}
    objects.close()


# ---- owners that are killed, and the end -----------------------------------------------------


def test_a_later_owner_goes_on(host: Host, objects: FileObjects) -> None:
    host.write("kept", "1")
    host.write("deleted", "1")
    host.look(2)
    put(objects, "runs/a/theirs", "x")
    (host.place / "deleted").unlink()
    later = host.again()
    later.write("new", "1")
    later.look(2)
    assert stored(objects) == {"kept": "1", "new": "1", "theirs": "x"}


def test_what_was_stored_as_the_owner_was_killed_can_still_be_deleted(
    host: Host, objects: FileObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after the object is there and before that is on record."""
    host.write("a", "1")
    remember = CheckpointDirectory._remember

    def dying(self: CheckpointDirectory) -> None:
        if stored(objects):
            raise KeyboardInterrupt
        remember(self)

    monkeypatch.setattr(CheckpointDirectory, "_remember", dying)
    with pytest.raises(KeyboardInterrupt):
        host.look(2)
    monkeypatch.undo()
    (host.place / "a").unlink()
    host.again().follower.store_all()
    assert stored(objects) == {}


def test_the_last_pass_stores_everything_as_it_is(host: Host, objects: FileObjects) -> None:
    host.write("a", "1")
    host.write("b", "1")
    host.look(2)
    host.write("a", "2")
    host.write("c", "1")
    (host.place / "b").unlink()
    host.follower.store_all()
    assert stored(objects) == {"a": "2", "c": "1"}
    host.write("d", "late")
    host.look(3)
    host.follower.store_all()
    assert "d" not in stored(objects)


def test_the_last_pass_tells_what_it_could_not_store(host: Host) -> None:
    host.write("a", "1")
    host.follower._objects = Full()  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match="no space"):
        host.follower.store_all()


def test_what_the_disk_has_no_room_for_is_not_begun(host: Host, objects: FileObjects) -> None:
    with (host.place / "holes").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(CheckpointError, match="more than the disk has room for"):
        host.follower.store_all()
    assert stored(objects) == {}


class Full:
    def put(self, *_: object) -> None:
        raise OSError("no space left on device")


# ---- all attempts ----------------------------------------------------------------------------


def checkpointed(**changes: object) -> TrainingJob:
    job = training_job()
    config = CheckpointConfig(s3_uri=URI, **changes)  # type: ignore[arg-type]
    return replace(job, spec=replace(job.spec, checkpoint_config=config))


@pytest.mark.parametrize(
    ("path", "below"),
    [
        (None, "checkpoints"),
        ("/opt/ml/checkpoints/", "checkpoints"),
        ("/opt/ml/./model//best", "model/best"),
        ("/opt/mlx", None),
        ("/data", None),
    ],
)
def test_a_local_path_within_opt_ml_is_one_in_the_tree(
    path: str | None, below: str | None
) -> None:
    assert below_opt_ml(CheckpointConfig(s3_uri=URI, local_path=path)) == below


def test_a_thread_follows_what_is_watched_until_it_is_finished(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOOK_EVERY", 0.02)
    job, tree = checkpointed(local_path="/opt/ml/mine"), tmp_path / "algo-1" / "ml"
    keeper = Checkpoints(objects)
    keeper.provide(job, tree)
    keeper.watch(job, {"algo-1": tree})
    keeper.watch(job, {"algo-1": tree})
    (tree / "mine" / "a").write_text("1")
    deadline = time.monotonic() + 20
    while stored(objects) != {"a": "1"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (tree / "mine" / "b").write_text("1")
    keeper.finish(job, {"algo-1": tree})
    assert stored(objects) == {"a": "1", "b": "1"}
    keeper.close()


def test_what_one_host_cannot_store_keeps_none_from_the_others(
    objects: FileObjects, tmp_path: Path
) -> None:
    job, keeper = checkpointed(), Checkpoints(objects)
    trees = {host: tmp_path / host / "ml" for host in ("algo-1", "algo-2")}
    for tree in trees.values():
        keeper.provide(job, tree)
    (trees["algo-1"] / "checkpoints" / "holes").open("wb").truncate(1 << 43)
    (trees["algo-2"] / "checkpoints" / "b").write_text("1")
    with pytest.raises(CheckpointError, match="more than the disk has room for"):
        keeper.finish(job, trees)
    assert stored(objects) == {"b": "1"}


def test_the_thread_ends_when_it_is_closed_and_stores_nothing_more(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LOOK_EVERY", 0.02)
    job, tree = checkpointed(), tmp_path / "algo-1" / "ml"
    keeper = Checkpoints(objects)
    keeper.provide(job, tree)
    keeper.watch(job, {"algo-1": tree})
    keeper.close()
    assert "checkpoints" not in [thread.name for thread in threading.enumerate()]


def test_a_job_without_checkpoints_costs_nothing(objects: FileObjects, tmp_path: Path) -> None:
    keeper, job = Checkpoints(objects), training_job()
    keeper.provide(job, tmp_path)
    keeper.watch(job, {"algo-1": tmp_path})
    keeper.finish(job, {"algo-1": tmp_path})
    assert list(tmp_path.iterdir()) == [tmp_path / "objects"]
