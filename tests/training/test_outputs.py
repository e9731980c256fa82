from __future__ import annotations

import io
import os
import socket
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_job import spec, training_job

from tuner.domain.definitions import OutputDataConfig
from tuner.store.objects import FileObjects
from tuner.training import opt_ml
from tuner.training.outputs import OutputError, collect

JOB = training_job()
MODEL = "runs/tune-001-abcd/output/model.tar.gz"
DATA = "runs/tune-001-abcd/output/output.tar.gz"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    store = FileObjects(tmp_path / "objects")
    yield store
    store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    opt_ml.build(tmp_path / "algo-1", JOB, "algo-1", ["algo-1"], "lo")
    return tmp_path / "algo-1"


def tree(place: Path, host: str, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = place / host / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place / host


def archive(objects: FileObjects, key: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=objects.open("results", key)) as packed:
        return {member.name: member for member in packed.getmembers()}


def texts(objects: FileObjects, key: str = MODEL) -> dict[str, str]:
    with tarfile.open(fileobj=objects.open("results", key)) as packed:
        files = [member for member in packed.getmembers() if member.isfile()]
        return {file.name: packed.extractfile(file).read().decode() for file in files}  # type: ignore[union-attr]


def test_model_and_data_go_where_aws_puts_them(root: Path, objects: FileObjects) -> None:
    (root / "model" / "sub").mkdir()
    (root / "model" / "sub" / "weights").write_text("w")
    (root / "output" / "data" / "predictions").write_text("p")

    assert collect(JOB, {"algo-1": root}, objects) is None

    assert texts(objects, MODEL) == {"sub/weights": "w"}
    assert texts(objects, DATA) == {"predictions": "p"}


def test_an_empty_model_is_an_empty_archive_and_empty_data_none(
    root: Path, objects: FileObjects
) -> None:
    collect(JOB, {"algo-1": root}, objects)

    assert archive(objects, MODEL) == {}
    assert objects.head("results", DATA) is None


def test_packing_again_gives_the_same_bytes(root: Path, objects: FileObjects) -> None:
    for name in ("b", "a", "c"):
        (root / "model" / name).write_text(name)
    collect(JOB, {"algo-1": root}, objects)
    first = objects.head("results", MODEL)

    collect(JOB, {"algo-1": root}, objects)

    again = objects.head("results", MODEL)
    assert first is not None
    assert again is not None
    assert first.etag == again.etag
    assert list(archive(objects, MODEL)) == ["a", "b", "c"]


def test_links_are_stored_as_links_and_never_followed(
    root: Path, objects: FileObjects, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (root / "model" / "file").symlink_to(secret / "key")
    (root / "model" / "directory").symlink_to(secret)
    (root / "output" / "data").rmdir()
    (root / "output" / "data").symlink_to(secret)
    (root / "output" / "failure").symlink_to(secret / "key")

    assert collect(JOB, {"algo-1": root}, objects) is None

    stored = archive(objects, MODEL)
    assert {name: member.issym() for name, member in stored.items()} == {
        "file": True,
        "directory": True,
    }
    assert objects.head("results", DATA) is None


def test_what_no_archive_can_hold_is_left_out(root: Path, objects: FileObjects) -> None:
    os.mkfifo(root / "model" / "pipe")
    os.mkfifo(root / "output" / "failure")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "model" / "socket"))
        (root / "model" / "file").write_text("x")
        assert collect(JOB, {"algo-1": root}, objects) is None

    assert list(archive(objects, MODEL)) == ["file"]


def test_a_failure_that_is_a_directory_tells_nothing(root: Path, objects: FileObjects) -> None:
    (root / "output" / "failure").mkdir()
    assert collect(JOB, {"algo-1": root}, objects) is None


def test_a_file_of_holes_larger_than_the_disk_is_refused(root: Path, objects: FileObjects) -> None:
    with (root / "model" / "holes").open("wb") as file:
        file.truncate(8 << 40)
    with pytest.raises(OutputError, match="more than the disk has room for"):
        collect(JOB, {"algo-1": root}, objects)


def test_a_removed_tree_is_an_empty_model(tmp_path: Path, objects: FileObjects) -> None:
    (tmp_path / "algo-1").mkdir()

    collect(JOB, {"algo-1": tmp_path / "algo-1"}, objects)

    assert archive(objects, MODEL) == {}


def test_names_that_are_no_text_are_kept(root: Path, objects: FileObjects) -> None:
    (root / "model" / os.fsdecode(b"\xff\xfe")).write_text("x")
    (root / "model" / ("n" * 200)).write_text("y")

    collect(JOB, {"algo-1": root}, objects)

    assert set(texts(objects).values()) == {"x", "y"}


def test_a_deep_tree_is_packed(root: Path, objects: FileObjects) -> None:
    deep = root / "model"
    here = os.open(deep, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)

    collect(JOB, {"algo-1": root}, objects)

    assert len(archive(objects, MODEL)) == 400


def test_the_files_of_all_hosts_are_merged(tmp_path: Path, objects: FileObjects) -> None:
    roots = {
        "algo-10": tree(tmp_path, "algo-10", {"same": "ten"}),
        "algo-1": tree(tmp_path, "algo-1", {"same": "one", "shared/a": "a", "file": "f"}),
        "algo-2": tree(tmp_path, "algo-2", {"same": "two", "shared/b": "b", "file/x": "x"}),
    }

    collect(JOB, roots, objects)

    assert texts(objects) == {
        "same": "one",
        "algo-2/same": "two",
        "algo-10/same": "ten",
        "shared/a": "a",
        "shared/b": "b",
        "file": "f",
        "algo-2/file/x": "x",
    }


NAMES = st.sampled_from(["a", "b", "algo-2", "algo-2_", "algo-3"])
FILES = st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=5)


@settings(max_examples=60)
@given(hosts=st.lists(FILES, min_size=1, max_size=3))
def test_no_host_s_file_is_lost_however_names_clash(
    tmp_path_factory: pytest.TempPathFactory, hosts: list[list[str]]
) -> None:
    place = tmp_path_factory.mktemp("merge")
    roots, written = {}, []
    for number, names in enumerate(hosts, start=1):
        top = place / f"algo-{number}" / "model"
        top.mkdir(parents=True)
        for name in names:
            path = top / name
            if not path.exists() and not any(parent.is_file() for parent in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{number}:{name}")
                written.append(f"{number}:{name}")
        roots[f"algo-{number}"] = top.parent
    objects = FileObjects(place / "objects")

    collect(JOB, roots, objects)

    assert sorted(texts(objects).values()) == sorted(written)
    with tarfile.open(fileobj=objects.open("results", MODEL)) as packed:
        packed.extractall(place / "unpacked", filter="data")
    unpacked = [path.read_text() for path in (place / "unpacked").rglob("*") if path.is_file()]
    assert sorted(unpacked) == sorted(written)
    objects.close()


def test_the_failure_text_is_the_first_host_s_that_wrote_one(
    tmp_path: Path, objects: FileObjects
) -> None:
    roots = {f"algo-{number}": tree(tmp_path, f"algo-{number}", {}) for number in (1, 2, 3)}
    for root in roots.values():
        (root / "output").mkdir(parents=True)
    (tmp_path / "algo-1" / "output" / "failure").write_text("\n")
    (tmp_path / "algo-2" / "output" / "failure").write_bytes(b"\xff" + "é".encode() * 3000)
    (tmp_path / "algo-3" / "output" / "failure").write_text("third")

    assert collect(JOB, roots, objects) == "\ufffd" + "é" * 1023


def test_a_large_model_is_not_held_in_memory(root: Path, objects: FileObjects) -> None:
    (root / "model" / "large").write_bytes(os.urandom(3 << 20))

    collect(JOB, {"algo-1": root}, objects)

    assert archive(objects, MODEL)["large"].size == 3 << 20
    assert [path.name for path in root.iterdir() if path.is_file()] == []


def test_an_output_place_that_cannot_be_written_is_a_clear_error(
    root: Path, objects: FileObjects
) -> None:
    job = training_job(spec=spec(output_data_config=OutputDataConfig(s3_output_path="s3://UP/x")))

    with pytest.raises(OutputError, match="not a legal bucket name"):
        collect(job, {"algo-1": root}, objects)


def test_a_full_disk_is_a_clear_error(root: Path) -> None:
    class FullObjects(FileObjects):
        def put(self, bucket: str, key: str, source: io.IOBase) -> None:  # type: ignore[override]
            raise OSError(28, "No space left on device")

    objects = FullObjects(root / "store")
    with pytest.raises(OutputError, match="No space left on device"):
        collect(JOB, {"algo-1": root}, objects)
    objects.close()


UNCOMPRESSED = training_job(
    spec=spec(
        output_data_config=OutputDataConfig(
            s3_output_path="s3://results/runs/", compression_type="NONE"
        )
    )
)
FILES = "runs/tune-001-abcd/output/model/"


def test_a_model_that_is_not_compressed_is_a_prefix_of_files(
    tmp_path: Path, objects: FileObjects
) -> None:
    roots = {
        "algo-1": tree(tmp_path, "algo-1", {"weights": "1", "deep/er": "d"}),
        "algo-2": tree(tmp_path, "algo-2", {"weights": "2"}),
    }
    (tmp_path / "algo-1" / "model" / "latest").symlink_to("deep/er")
    objects.put("results", f"{FILES}of-a-former-attempt", io.BytesIO(b"old"))

    collect(UNCOMPRESSED, roots, objects)

    stored = {
        info.key.removeprefix(FILES): objects.open("results", info.key).read()
        for info in objects.list("results", "runs/")
    }
    assert stored == {"weights": b"1", "deep/er": b"d", "latest": b"d", "algo-2/weights": b"2"}
    assert UNCOMPRESSED.model_uri == f"s3://results/{FILES}"


def test_links_out_of_a_model_are_not_stored_as_files(
    tmp_path: Path, objects: FileObjects
) -> None:
    root = tree(tmp_path, "algo-1", {"weights": "1"})
    (root / "secret").write_text("the user's own")
    for name, target in {"out": "../secret", "loop": "loop", "gone": "x", "etc": "/etc"}.items():
        (root / "model" / name).symlink_to(target)

    collect(UNCOMPRESSED, {"algo-1": root}, objects)

    assert [info.key for info in objects.list("results", "")] == [f"{FILES}weights"]
