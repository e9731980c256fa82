from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from typing import BinaryIO

import numpy as np
import pytest

from tuner.domain.ports import ObjectInfo
from tuner.store import samples
from tuner.store.samples import BUCKET, SAMPLES, SampleError, fill

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="needs xgboost: scikit-learn's data"
)

ROWS = {"breast-cancer": 569, "diabetes": 442, "digits": 1797, "iris": 150, "wine": 178}


class Memory:
    """As much of an object store as `fill` asks for; `puts` counts what it was given."""

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.puts = 0

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        blob = self.blobs.get((bucket, key))
        if blob is None:
            return None
        return ObjectInfo(bucket=bucket, key=key, size=len(blob), etag="", last_modified=0.0)

    def put(self, bucket: str, key: str, source: BinaryIO) -> None:
        self.puts += 1
        self.blobs[bucket, key] = source.read()

    def rows(self, key: str) -> np.ndarray:
        return np.loadtxt(io.BytesIO(self.blobs[BUCKET, key]), delimiter=",", ndmin=2)


@pytest.fixture
def store() -> Memory:
    return Memory()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_split_four_to_one_and_loses_no_row(name: str, store: Memory) -> None:
    fill(store, f"s3://{BUCKET}/{name}/train/")
    train = store.rows(f"{name}/train/train.csv")
    validation = store.rows(f"{name}/validation/validation.csv")
    assert len(train) == round(0.8 * ROWS[name])
    assert len(train) + len(validation) == ROWS[name]
    assert train.shape[1] == validation.shape[1]


def test_the_rows_are_those_of_scikit_learn_with_the_label_first(store: Memory) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    fill(store, f"s3://{BUCKET}/")
    loaders = {
        "breast-cancer": datasets.load_breast_cancer(),
        "diabetes": datasets.load_diabetes(scaled=False),
        "digits": datasets.load_digits(),
        "iris": datasets.load_iris(),
        "wine": datasets.load_wine(),
    }
    for name, expected in loaders.items():
        parts = [store.rows(f"{name}/{part}/{part}.csv") for part in ("train", "validation")]
        ours = np.concatenate(parts)
        theirs = np.column_stack((expected.target, expected.data))
        assert np.allclose(_in_order(ours), _in_order(theirs), rtol=1e-9), name


def _in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T[::-1])]


def test_the_split_is_the_same_every_time(store: Memory) -> None:
    other = Memory()
    fill(store, f"s3://{BUCKET}/wine/train")
    fill(other, f"s3://{BUCKET}/wine/validation/validation.csv")
    assert store.blobs == other.blobs


def test_filling_again_writes_nothing(store: Memory) -> None:
    for _ in range(3):
        fill(store, f"s3://{BUCKET}/iris/train/")
    assert store.puts == 2


def test_only_what_is_missing_is_written_again(store: Memory) -> None:
    fill(store, f"s3://{BUCKET}/iris/")
    store.blobs.pop((BUCKET, "iris/train/train.csv"))
    store.blobs[BUCKET, "iris/validation/validation.csv"] = b"kept"
    fill(store, f"s3://{BUCKET}/iris/")
    assert len(store.rows("iris/train/train.csv")) == 120
    assert store.blobs[BUCKET, "iris/validation/validation.csv"] == b"kept"


@pytest.mark.parametrize(
    "uri", ["s3://mine/breast-cancer/", f"s3://{BUCKET}-2/iris/", f"file:///{BUCKET}/iris"]
)
def test_other_places_are_left_alone(uri: str, store: Memory) -> None:
    fill(store, uri)
    assert not store.blobs


def test_an_unknown_sample_is_refused_with_the_list_of_those_that_exist(store: Memory) -> None:
    with pytest.raises(SampleError) as caught:
        fill(store, f"s3://{BUCKET}/titanic/train")
    assert all(name in str(caught.value) for name in SAMPLES)


def test_a_missing_scikit_learn_is_named_with_the_command_that_adds_it(
    store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SampleError, match=r"pip install 'amtlocal\[xgboost\]'"):
        fill(store, f"s3://{BUCKET}/iris/")


def test_scikit_learn_is_not_imported() -> None:
    program = (
        "import sys; from tuner.store.samples import SAMPLES, _data_directory;"
        "SAMPLES['wine'].load(_data_directory()); assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
