from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_job import channel

from tuner.domain.definitions import (
    Channel,
    DataSource,
    InputMode,
    S3DataDistributionType,
    S3DataSource,
    S3DataType,
)
from tuner.store.objects import FileObjects
from tuner.training.inputs import InputViews
from tuner.training.sources import InputError, missing_input, missing_object

ROLE = "arn:aws:iam::123456789012:role/training"
JOB = "1-1"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FileObjects]:
    store = FileObjects(tmp_path / "objects")
    yield store
    store.close()


@pytest.fixture
def views(objects: FileObjects, tmp_path: Path) -> InputViews:
    return InputViews(objects, tmp_path / "views")


def put(objects: FileObjects, *keys: str) -> None:
    for key in keys:
        objects.put("data", key, io.BytesIO(key.encode(errors="replace")))


def files(view: Path) -> set[str]:
    return {str(path.relative_to(view)) for path in view.rglob("*") if path.is_file()}


def refusal(views: InputViews, uri: str) -> str:
    with pytest.raises(InputError) as caught:
        views.view(channel(uri), 0, 1, user=JOB, copy=False)
    return str(caught.value)


@pytest.mark.parametrize("uri", ["s3://data/iris/train/", "s3://data/iris/train"])
def test_a_prefix_that_is_a_directory_gives_what_is_below_it(
    objects: FileObjects, views: InputViews, uri: str
) -> None:
    put(objects, "iris/train/a.csv", "iris/train/deep/er/b.csv", "iris/test/c.csv", "iris/train/")

    view = views.view(channel(uri), 0, 1, user=JOB, copy=False)

    assert files(view) == {"a.csv", "deep/er/b.csv"}
    assert (view / "deep/er/b.csv").read_text() == "iris/train/deep/er/b.csv"


def test_a_prefix_matches_raw_and_keeps_the_name_it_ends_in(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/train-1.csv", "p/train-2.csv", "p/train2/x", "p/test.csv")

    view = views.view(channel("s3://data/p/train"), 0, 1, user=JOB, copy=False)

    assert files(view) == {"train-1.csv", "train-2.csv", "train2/x"}


def test_a_prefix_that_names_one_object_gives_its_basename(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/train.csv")

    assert files(views.view(channel("s3://data/p/train.csv"), 0, 1, user=JOB, copy=True)) == {
        "train.csv"
    }


def test_a_whole_bucket_can_be_a_channel(objects: FileObjects, views: InputViews) -> None:
    put(objects, "a", "b/c")

    assert files(views.view(channel("s3://data"), 0, 1, user=JOB, copy=False)) == {"a", "b/c"}


def test_equal_content_is_one_directory_and_a_copy_another(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/x", "q/x")
    objects.put("data", "q/x", io.BytesIO(b"p/x"))

    linked = views.view(channel("s3://data/p/", "one"), 0, 1, user=JOB, copy=False)

    assert views.view(channel("s3://data/q/", "other"), 0, 1, user=JOB, copy=False) == linked
    copied = views.view(channel("s3://data/p/", "one"), 0, 1, user=JOB, copy=True)
    assert copied != linked
    (copied / "x").write_text("written by a job")
    assert objects.open("data", "p/x").read() == b"p/x"


def test_changed_content_is_a_new_directory(objects: FileObjects, views: InputViews) -> None:
    put(objects, "p/x")
    before = views.view(channel("s3://data/p/"), 0, 1, user=JOB, copy=False)

    objects.put("data", "p/x", io.BytesIO(b"new"))

    after = views.view(channel("s3://data/p/"), 0, 1, user=JOB, copy=False)
    assert (after / "x").read_bytes() == b"new"
    assert (before / "x").read_bytes() == b"p/x"


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 9), shards=st.integers(1, 6))
def test_sharding_deals_every_object_to_exactly_one_host(
    tmp_path_factory: pytest.TempPathFactory, count: int, shards: int
) -> None:
    place = tmp_path_factory.mktemp("shards")
    objects = FileObjects(place / "objects")
    views = InputViews(objects, place / "views")
    put(objects, *(f"p/{number}" for number in range(count)))
    sharded = channel("s3://data/p/", distribution=S3DataDistributionType.SHARDED_BY_S3_KEY)

    dealt = [
        files(views.view(sharded, shard, shards, user=JOB, copy=False)) for shard in range(shards)
    ]
    objects.close()

    assert sorted(name for hand in dealt for name in hand) == [str(n) for n in range(count)]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize(
    "key",
    [
        "p/../../../outside",
        "p/..",
        "p/a/./b",
        "p//etc/passwd",
        "p/nul\0byte",
        "p/" + "n" * 300,
        "p/\ud800",
    ],
)
def test_a_key_that_is_no_file_name_is_refused(
    objects: FileObjects, views: InputViews, tmp_path: Path, key: str
) -> None:
    put(objects, key)
    before = set(tmp_path.rglob("*"))

    assert "cannot be a file name" in refusal(views, "s3://data/p/")
    assert set(tmp_path.rglob("*")) == before


def test_keys_that_cannot_be_files_together_are_refused(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/a", "p/a/b", "q/a/b", "q/a//b")

    assert "a directory" in refusal(views, "s3://data/p/")
    assert "the same file" in refusal(views, "s3://data/q/")


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "b\0", "\\", "c d", "é"]), max_size=6))
def test_no_key_leads_out_of_the_view(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    place = tmp_path_factory.mktemp("hostile")
    objects = FileObjects(place / "objects")
    put(objects, "p/" + "/".join(parts), "p/ok")
    before = {path for path in place.rglob("*") if not {"views", "objects"} & set(path.parts)}
    try:
        InputViews(objects, place / "views").view(
            channel("s3://data/p/"), 0, 1, user=JOB, copy=True
        )
    except InputError:
        assert [path.name for path in (place / "views").iterdir()] == [".users"]
    objects.close()

    assert {
        path for path in place.rglob("*") if not {"views", "objects"} & set(path.parts)
    } == before


def test_a_missing_input_is_told_in_the_words_of_aws(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "empty/")
    text = missing_input(channel("s3://data/empty/"), objects, ROLE, "us-west-2")

    assert text == (
        'No S3 objects found under S3 URL "s3://data/empty/" given in input data source. Please '
        "ensure that the bucket exists in the selected region (us-west-2), that objects exist "
        f'under that S3 prefix, and that the role "{ROLE}" has "s3:ListBucket" permissions on '
        'bucket "data".'
    )
    assert "No S3 objects found" in refusal(views, "s3://data/empty/")
    assert missing_input(channel("s3://none/x"), objects, ROLE, "us-west-2") is not None
    put(objects, "empty/now-there-is-one")
    assert missing_input(channel("s3://data/empty/"), objects, ROLE, "us-west-2") is None


def test_a_single_object_becomes_a_file_that_follows_its_content(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "code/sourcedir.tar.gz")
    first = views.file("s3://data/code/sourcedir.tar.gz", user=JOB)
    again = views.file("s3://data/code/sourcedir.tar.gz", user=JOB)
    objects.put("data", "code/sourcedir.tar.gz", io.BytesIO(b"changed"))
    changed = views.file("s3://data/code/sourcedir.tar.gz", user=JOB)

    assert first == again != changed
    assert changed.read_bytes() == b"changed"


def test_content_that_is_lost_is_told_without_a_path_of_ours(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    put(objects, "train/a")
    for blob in (tmp_path / "objects" / "blobs").glob("*/*"):
        blob.unlink()
    said = refusal(views, "s3://data/train")
    assert said == "Channel train could not be provided: No such file or directory"


def test_a_prefix_is_no_object(objects: FileObjects, views: InputViews) -> None:
    put(objects, "code/sourcedir.tar.gz")

    with pytest.raises(InputError, match="No S3 objects found"):
        views.file("s3://data/code/", user=JOB)
    text = missing_object("s3://data/code/", objects, ROLE, "us-west-2")
    assert text is not None and text.startswith('No S3 objects found under S3 URL "s3://data/code')
    assert missing_object("s3://data/code/sourcedir.tar.gz", objects, ROLE, "us-west-2") is None


def test_other_sources_are_refused(views: InputViews) -> None:
    with pytest.raises(InputError, match="is not served"):
        views.view(Channel(channel_name="x", data_source=DataSource()), 0, 1, user=JOB, copy=False)
    assert "not an S3 URL" in refusal(views, "file:///etc")


def test_many_jobs_at_once_get_the_same_whole_view(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, *(f"p/{number}" for number in range(50)))
    seen: list[tuple[Path, int]] = []

    def fetch() -> None:
        view = views.view(channel("s3://data/p/"), 0, 1, user=JOB, copy=False)
        seen.append((view, len(files(view))))

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert {count for _, count in seen} == {50}
    assert len({view for view, _ in seen}) == 1


def test_what_a_crash_left_half_made_is_removed(objects: FileObjects, tmp_path: Path) -> None:
    left = tmp_path / "views" / ".making-abc"
    left.mkdir(parents=True)

    InputViews(objects, tmp_path / "views")

    assert not left.exists()


def manifest(uri: str = "s3://data/list.manifest", **members: Any) -> Channel:
    source = S3DataSource(s3_data_type=S3DataType.MANIFEST_FILE, s3_uri=uri, **members)
    return Channel(channel_name="train", data_source=DataSource(s3_data_source=source))


def put_text(objects: FileObjects, key: str, text: str) -> None:
    objects.put("data", key, io.BytesIO(text.encode()))


def test_a_manifest_gives_what_it_lists_below_its_prefix(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/a", "p/deep/b", "p/unlisted")
    put_text(objects, "list.manifest", '[{"prefix": "s3://data/p/"}, "deep/b", "a", "a"]')

    assert files(views.view(manifest(), 0, 1, user=JOB, copy=False)) == {"deep/b", "a"}


def test_a_sharded_manifest_is_dealt_in_its_own_order(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/a", "p/b", "p/c")
    put_text(objects, "list.manifest", '[{"prefix": "s3://data/p/"}, "c", "b", "a"]')
    sharded = manifest(s3_data_distribution_type=S3DataDistributionType.SHARDED_BY_S3_KEY)

    assert files(views.view(sharded, 0, 2, user=JOB, copy=False)) == {"c", "a"}
    assert files(views.view(sharded, 1, 2, user=JOB, copy=False)) == {"b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", 'The manifest "s3://data/list.manifest" cannot be read: it is not a JSON array.'),
        ('[{"prefix": "s3://data/p/"}, "x"]', 'No S3 objects found under S3 URL "s3://data/p/x".'),
        ('[{"prefix": "s3://data/"}, "../x"]', 'under S3 URL "s3://data/../x"'),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_told(
    objects: FileObjects, views: InputViews, text: str, said: str
) -> None:
    put_text(objects, "list.manifest", text)
    with pytest.raises(InputError) as caught:
        views.view(manifest(), 0, 1, user=JOB, copy=False)
    assert said in str(caught.value)


def test_a_missing_manifest_is_told_at_create(objects: FileObjects) -> None:
    put(objects, "list.manifest.old")
    text = missing_input(manifest(), objects, ROLE, "us-west-2")
    assert text is not None
    assert text.startswith('No S3 objects found under S3 URL "s3://data/list.manifest"')
    put(objects, "list.manifest")
    assert missing_input(manifest(), objects, ROLE, "us-west-2") is None


# ---- how long views are kept -----------------------------------------------------------------


def shown(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "views").iterdir()} - {".users"}


def test_a_view_is_kept_for_as_long_as_a_job_uses_it(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "p/a")
    views = InputViews(objects, tmp_path / "views", rest_seconds=0.0)
    train = channel("s3://data/p/")
    for job in ("1-1", "2-1"):
        view = views.view(train, 0, 1, user=job, copy=True)

    views.forget("1-1")
    assert shown(tmp_path) == {view.name}
    views.forget("2-1")
    views.forget("2-1")
    assert shown(tmp_path) == set()
    assert files(views.view(train, 0, 1, user="3-1", copy=True)) == {"a"}


def test_a_view_rests_before_it_goes(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "p/a")
    views = InputViews(objects, tmp_path / "views", rest_seconds=0.2)
    views.view(channel("s3://data/p/"), 0, 1, user=JOB, copy=False)
    views.forget(JOB)
    assert shown(tmp_path)
    wait(lambda: not shown(tmp_path))


def test_who_used_what_is_known_after_a_restart(objects: FileObjects, tmp_path: Path) -> None:
    put(objects, "p/a", "q/b", "r/c")
    before = InputViews(objects, tmp_path / "views")
    kept, gone = (
        before.view(channel(f"s3://data/{prefix}/"), 0, 1, user=job, copy=False)
        for prefix, job in (("p", "1-1"), ("q", "2-1"))
    )
    before.view(channel("s3://data/r/"), 0, 1, user="3-1", copy=False)
    before.forget("3-1")
    before.close()

    after = InputViews(objects, tmp_path / "views", rest_seconds=0.0)
    after.keep_only({"1-1"})

    wait(lambda: shown(tmp_path) == {kept.name})
    assert not gone.exists()
    after.forget("1-1")
    assert shown(tmp_path) == set()


def test_a_thousand_jobs_share_one_object_on_the_disk(
    objects: FileObjects, views: InputViews, tmp_path: Path
) -> None:
    objects.put("data", "p/a", io.BytesIO(b"x" * (1 << 20)))
    modes = {"File": {}, "Pipe": {"input_mode": InputMode.PIPE}}
    for number in range(1000):
        train = channel("s3://data/p/", **modes["Pipe" if number % 2 else "File"])
        if train.input_mode is InputMode.PIPE:
            views.feed(train, 0, 1, user=f"{number}-1", target=tmp_path)
        else:
            views.view(train, 0, 1, user=f"{number}-1", copy=False)

    found = [path.stat() for path in tmp_path.rglob("*") if path.is_file()]
    assert len({file.st_ino for file in found if file.st_size >= 1 << 20}) == 1


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
