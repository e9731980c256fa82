"""The sample data of `jobs/`: scikit-learn's bundled sets in a reserved bucket, on first use.

Each sample lies under `s3://amtlocal-sample-data/NAME/` as `train/train.csv` and
`validation/validation.csv`: a shuffled split of four to one with a fixed seed, the label first,
no header. The sets are read from scikit-learn's package data without importing scikit-learn,
which would cost about a second.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from tuner.domain.ports import Objects

BUCKET = "amtlocal-sample-data"
TRAIN_SHARE = 0.8
SPLIT_SEED = 0

Rows = NDArray[np.float64]


class SampleError(Exception):
    """The sample data cannot be had; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One set: `load` reads it from scikit-learn's data directory, label in the first column."""

    name: str
    task: str
    load: Callable[[Path], Rows]


def fill(objects: Objects, uri: str) -> None:
    """Make the samples that an S3 URI speaks of exist; nothing for other buckets.

    A URI of the whole bucket means all of them. Objects that are there are left as they are.
    Raises SampleError for a sample that does not exist and when scikit-learn is missing.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or parts.netloc != BUCKET:
        return
    name = parts.path.lstrip("/").partition("/")[0]
    if name and name not in SAMPLES:
        raise SampleError(
            f"There is no sample data at {uri}: s3://{BUCKET}/ has {', '.join(sorted(SAMPLES))}."
        )
    for sample in [SAMPLES[name]] if name else SAMPLES.values():
        _fill_one(objects, sample)


def _fill_one(objects: Objects, sample: Sample) -> None:
    keys = {part: f"{sample.name}/{part}/{part}.csv" for part in ("train", "validation")}
    missing = [part for part, key in keys.items() if objects.head(BUCKET, key) is None]
    if not missing:
        return
    parts = _split(sample.load(_data_directory()))
    for part in missing:
        objects.put(BUCKET, keys[part], io.BytesIO(_csv(parts[part])))


def _split(rows: Rows) -> dict[str, Rows]:
    shuffled = rows[np.random.default_rng(SPLIT_SEED).permutation(len(rows))]
    boundary = round(TRAIN_SHARE * len(rows))
    return {"train": shuffled[:boundary], "validation": shuffled[boundary:]}


def _csv(rows: Rows) -> bytes:
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%.10g", delimiter=",")
    return text.getvalue().encode()


# ---- scikit-learn's files --------------------------------------------------------------------


def _data_directory() -> Path:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise SampleError(
            "The sample data come with scikit-learn, which is not installed: "
            "pip install 'amtlocal[xgboost]'"
        )
    directory = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    if not directory.is_dir():
        raise SampleError(f"This scikit-learn has no sample data at {directory}.")
    return directory


def _label_last(file: str, header_lines: int) -> Callable[[Path], Rows]:
    def load(directory: Path) -> Rows:
        rows = np.loadtxt(directory / file, delimiter=",", skiprows=header_lines)
        return np.roll(rows, 1, axis=1)

    return load


def _load_diabetes(directory: Path) -> Rows:
    features = np.loadtxt(directory / "diabetes_data_raw.csv.gz")
    labels = np.loadtxt(directory / "diabetes_target.csv.gz")
    return np.column_stack((labels, features))


SAMPLES: Mapping[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample("breast-cancer", "binary, 30 features", _label_last("breast_cancer.csv", 1)),
        Sample("diabetes", "regression, 10 features", _load_diabetes),
        Sample("digits", "10 classes, 64 features", _label_last("digits.csv.gz", 0)),
        Sample("iris", "3 classes, 4 features", _label_last("iris.csv", 1)),
        Sample("wine", "3 classes, 13 features", _label_last("wine_data.csv", 1)),
    )
}
