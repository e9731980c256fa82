from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_job import channel

from tuner.domain.definitions import Channel, DataSource, S3DataDistributionType
from tuner.store.objects import FileObjects
from tuner.training.inputs import InputError, InputViews, missing_input, missing_object

ROLE = "arn:aws:iam::123456789012:role/training"


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
        views.view(channel(uri), 0, 1, copy=False)
    return str(caught.value)


@pytest.mark.parametrize("uri", ["s3://data/iris/train/", "s3://data/iris/train"])
def test_a_prefix_that_is_a_directory_gives_what_is_below_it(
    objects: FileObjects, views: InputViews, uri: str
) -> None:
    put(objects, "iris/train/a.csv", "iris/train/deep/er/b.csv", "iris/test/c.csv", "iris/train/")

    view = views.view(channel(uri), 0, 1, copy=False)

    assert files(view) == {"a.csv", "deep/er/b.csv"}
    assert (view / "deep/er/b.csv").read_text() == "iris/train/deep/er/b.csv"


def test_a_prefix_matches_raw_and_keeps_the_name_it_ends_in(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/train-1.csv", "p/train-2.csv", "p/train2/x", "p/test.csv")

    view = views.view(channel("s3://data/p/train"), 0, 1, copy=False)

    assert files(view) == {"train-1.csv", "train-2.csv", "train2/x"}


def test_a_prefix_that_names_one_object_gives_its_basename(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/train.csv")

    assert files(views.view(channel("s3://data/p/train.csv"), 0, 1, copy=True)) == {"train.csv"}


def test_a_whole_bucket_can_be_a_channel(objects: FileObjects, views: InputViews) -> None:
    put(objects, "a", "b/c")

    assert files(views.view(channel("s3://data"), 0, 1, copy=False)) == {"a", "b/c"}


def test_equal_content_is_one_directory_and_a_copy_another(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, "p/x", "q/x")
    objects.put("data", "q/x", io.BytesIO(b"p/x"))

    linked = views.view(channel("s3://data/p/", "one"), 0, 1, copy=False)

    assert views.view(channel("s3://data/q/", "other"), 0, 1, copy=False) == linked
    copied = views.view(channel("s3://data/p/", "one"), 0, 1, copy=True)
    assert copied != linked
    (copied / "x").write_text("written by a job")
    assert objects.open("data", "p/x").read() == b"p/x"


def test_changed_content_is_a_new_directory(objects: FileObjects, views: InputViews) -> None:
    put(objects, "p/x")
    before = views.view(channel("s3://data/p/"), 0, 1, copy=False)

    objects.put("data", "p/x", io.BytesIO(b"new"))

    after = views.view(channel("s3://data/p/"), 0, 1, copy=False)
    assert (after / "x").read_bytes() == b"new"
    assert (before / "x").read_bytes() == b"p/x"


@settings(max_examples=30)
@given(count=st.integers(1, 9), shards=st.integers(1, 6))
def test_sharding_deals_every_object_to_exactly_one_host(
    tmp_path_factory: pytest.TempPathFactory, count: int, shards: int
) -> None:
    place = tmp_path_factory.mktemp("shards")
    objects = FileObjects(place / "objects")
    views = InputViews(objects, place / "views")
    put(objects, *(f"p/{number}" for number in range(count)))
    sharded = channel("s3://data/p/", distribution=S3DataDistributionType.SHARDED_BY_S3_KEY)

    dealt = [files(views.view(sharded, shard, shards, copy=False)) for shard in range(shards)]
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


@settings(max_examples=30)
@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "b\0", "\\", "c d", "é"]), max_size=6))
def test_no_key_leads_out_of_the_view(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    place = tmp_path_factory.mktemp("hostile")
    objects = FileObjects(place / "objects")
    put(objects, "p/" + "/".join(parts), "p/ok")
    before = {path for path in place.rglob("*") if not {"views", "objects"} & set(path.parts)}
    try:
        InputViews(objects, place / "views").view(channel("s3://data/p/"), 0, 1, copy=True)
    except InputError:
        assert list((place / "views").iterdir()) == []
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
    first = views.file("s3://data/code/sourcedir.tar.gz")
    again = views.file("s3://data/code/sourcedir.tar.gz")
    objects.put("data", "code/sourcedir.tar.gz", io.BytesIO(b"changed"))
    changed = views.file("s3://data/code/sourcedir.tar.gz")

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
        views.file("s3://data/code/")
    text = missing_object("s3://data/code/", objects, ROLE, "us-west-2")
    assert text is not None and text.startswith('No S3 objects found under S3 URL "s3://data/code')
    assert missing_object("s3://data/code/sourcedir.tar.gz", objects, ROLE, "us-west-2") is None


def test_other_sources_are_refused(views: InputViews) -> None:
    with pytest.raises(InputError, match="is not served"):
        views.view(Channel(channel_name="x", data_source=DataSource()), 0, 1, copy=False)
    assert "not an S3 URL" in refusal(views, "file:///etc")


def test_many_jobs_at_once_get_the_same_whole_view(
    objects: FileObjects, views: InputViews
) -> None:
    put(objects, *(f"p/{number}" for number in range(50)))
    seen: list[tuple[Path, int]] = []

    def fetch() -> None:
        view = views.view(channel("s3://data/p/"), 0, 1, copy=False)
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
