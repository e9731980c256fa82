"""Channels to matrices: content types, CSV and libsvm, several files to a channel."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .piped import PipedFile, read_pipe
from .platform import Platform, UserError, log

CHANNELS = ("train", "validation")
_CSV = ("csv", "text/csv")
_LIBSVM = ("libsvm", "text/libsvm", "text/x-libsvm")
_OTHERS = (
    "parquet",
    "application/x-parquet",
    "recordio-protobuf",
    "application/x-recordio-protobuf",
)
_DEFAULT_CONTENT_TYPE = "text/libsvm"
_DELIMITERS = (",", "\t", ";", "|", " ")
_MAX_DEPTH = 3

DataFile = Path | PipedFile


@dataclass(frozen=True)
class Table:
    """Rows of one or more files: a dense or sparse matrix and what belongs to its rows."""

    features: Any
    labels: Any
    weights: Any = None
    groups: Any = None

    @property
    def rows(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ContentType:
    format: str
    charset: str


def read_channels(platform: Platform, csv_weights: bool) -> dict[str, Table | None]:
    """The tables of `train` and, where there is one, `validation`; None for a channel without
    data on this host. Raises UserError."""
    if "train" not in platform.channels:
        raise UserError("Missing required channel: train")
    for name in platform.channels:
        if name not in CHANNELS:
            raise UserError(f"Extraneous channel found: {name}")
    # AWS takes the content type of train for both.
    content = content_type(platform.channels["train"].get("ContentType"))
    return {
        name: read(platform.channel(name), content, csv_weights, is_pipe=_is_pipe(config))
        for name, config in platform.channels.items()
    }


def _is_pipe(config: Mapping[str, str]) -> bool:
    return config.get("TrainingInputMode") == "Pipe"


def content_type(text: str | None) -> ContentType:
    """`text/csv; label_size=1; charset=utf8` and the like; libsvm when there is none."""
    name, *options = (part.strip() for part in (text or _DEFAULT_CONTENT_TYPE).lower().split(";"))
    given = dict(option.partition("=")[::2] for option in options)
    charset = given.get("charset", "utf-8").strip().strip('"')
    try:
        "".encode(charset)
    except LookupError:
        raise UserError(f"{text} names a charset that does not exist") from None
    if name in _CSV:
        if given.get("label_size", "1").strip() != "1":
            raise UserError(
                f"{text} is not an accepted csv ContentType. Optional parameter label_size must "
                "be equal to 1"
            )
        return ContentType("CSV", charset)
    if name in _LIBSVM:
        return ContentType("LIBSVM", charset)
    if name in _OTHERS:
        raise UserError(
            f"The ContentType {text} is not supported here: use text/csv or text/libsvm."
        )
    accepted = ", ".join((*_CSV, *_LIBSVM))
    raise UserError(f"{text} is not an accepted ContentType: {accepted}.")


def read(
    place: Path, content: ContentType, csv_weights: bool, *, is_pipe: bool = False
) -> Table | None:
    """A file, all files of a directory, or what comes through a pipe; None without data. Raises
    UserError."""
    if is_pipe and content.format == "LIBSVM":
        raise UserError("Pipe mode not supported for LibSVM.")
    files: Sequence[DataFile] = read_pipe(place) if is_pipe else data_files(place)
    if not files:
        return None
    log(f"File path {place} of input files")
    if content.format == "CSV":
        table = _read_csv(files, content.charset, csv_weights)
    else:
        table = _read_libsvm(files, content.charset)
    if table.rows == 0:
        raise UserError(
            "Got input data without labels. Please check the input data set. If training job is "
            "running on multiple instances, please switch to using single instance if number of "
            "records in the data set is less than number of workers."
        )
    return table


def data_files(directory: Path) -> list[Path]:
    """Files with content, in the order of their paths, at most three levels deep."""
    if not directory.is_dir():
        return [directory] if directory.is_file() and directory.stat().st_size > 0 else []
    found = []
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        if path.name.startswith("."):
            raise UserError("Hidden file found in the data path! Remove that before training.")
        if len(path.relative_to(directory).parts) > _MAX_DEPTH:
            log(f"Files deeper than {_MAX_DEPTH} folders are not loaded: {path}", "WARNING")
        elif path.stat().st_size > 0:
            found.append(path)
    return found


# ---- CSV -------------------------------------------------------------------------------------


def _read_csv(files: Sequence[DataFile], charset: str, csv_weights: bool) -> Table:
    blocks = []
    for path in files:
        try:
            block = _csv_block(path, charset)
        except (ValueError, OSError, csv.Error) as error:
            raise UserError(
                f"Failed to load csv data with exception:\nfile '{path.name}': {error}"
            ) from error
        if blocks and block.shape[1] != blocks[0].shape[1]:
            raise UserError(
                f"Failed to load csv data with exception:\nfile '{path.name}' has "
                f"{block.shape[1]} columns, '{files[0].name}' has {blocks[0].shape[1]}"
            )
        blocks.append(block)
    rows = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    first = 2 if csv_weights else 1
    if rows.shape[0] > 0 and rows.shape[1] <= first:
        raise UserError(
            f"Failed to load csv data with exception:\n{rows.shape[1]} columns hold no features: "
            "the label is the first column" + (", the weight the second" if csv_weights else "")
        )
    return Table(rows[:, first:], rows[:, 0], weights=rows[:, 1] if csv_weights else None)


def _csv_block(path: DataFile, charset: str) -> Any:
    """One file as an array of rows; empty cells are missing values (NaN)."""
    encoding = "utf-8-sig" if charset.replace("-", "") == "utf8" else charset
    with path.open(encoding=encoding, errors="ignore") as file:
        first_line = file.readline().rstrip("\r\n")
    delimiter = next((mark for mark in _DELIMITERS if mark in first_line), None)
    if delimiter is None:
        raise UserError(f"Could not determine delimiter on line {first_line[:50]}")
    log(f"Determined delimiter of CSV input is '{delimiter}'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a file of empty lines
            source = path if isinstance(path, Path) else path.open(encoding)
            return np.loadtxt(
                source, np.float32, comments=None, delimiter=delimiter, ndmin=2, encoding=encoding
            )
    except ValueError:
        # Slower, but it knows empty cells and quotes, and can say what is wrong.
        with path.open(encoding=encoding, newline="") as file:
            return _parsed_rows(csv.reader(file, delimiter=delimiter))


def _parsed_rows(reader: Any) -> Any:
    rows: list[list[float]] = []
    for cells in reader:
        if not cells:
            continue
        if rows and len(cells) != len(rows[0]):
            raise ValueError(
                f"line {reader.line_num} has {len(cells)} columns, the first has {len(rows[0])}"
            )
        rows.append([_cell(text, reader.line_num, place) for place, text in enumerate(cells, 1)])
    return np.array(rows, dtype=np.float32).reshape(len(rows), -1)


def _cell(text: str, line: int, column: int) -> float:
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError:
        hint = " (the file must not have a header line)" if line == 1 else ""
        raise ValueError(
            f"line {line}, column {column}: {text[:50]!r} is not a number{hint}"
        ) from None


# ---- libsvm ----------------------------------------------------------------------------------


class _Sparse:
    """Rows gathered from libsvm lines: `<label>[:<weight>] [qid:<group>] <index>:<value> ...`.
    Indices are columns counted from 0, as xgboost reads them."""

    def __init__(self) -> None:
        self.labels: list[float] = []
        self.weights: list[float] = []
        self.groups: list[int] = []
        self.columns: list[int] = []
        self.values: list[float] = []
        self.ends = [0]

    def add(self, line: str) -> None:
        """Raises ValueError for a line that is not libsvm."""
        label, *entries = line.split("#", 1)[0].split()
        value, weighted, weight = label.partition(":")
        self.labels.append(float(value))
        if weighted:
            self.weights.append(float(weight))
        if entries and entries[0].startswith("qid:"):
            self.groups.append(int(entries.pop(0)[4:]))
        for entry in entries:
            column, number = entry.split(":")
            if int(column) < 0:
                raise ValueError("a negative index")
            self.columns.append(int(column))
            self.values.append(float(number))
        self.ends.append(len(self.values))

    def table(self) -> Table:
        from scipy.sparse import csr_matrix

        width = max(self.columns, default=-1) + 1
        parts = (np.array(self.values, np.float32), self.columns, self.ends)
        return Table(
            csr_matrix(parts, shape=(len(self.labels), width)),
            np.array(self.labels, np.float32),
            weights=_of_all_rows(self.weights, len(self.labels), "weight"),
            groups=_of_all_rows(self.groups, len(self.labels), "qid"),
        )


def _of_all_rows(items: list[Any], rows: int, what: str) -> Any:
    if len(items) not in (0, rows):
        raise UserError(
            f"Failed to load libsvm data with exception:\n{len(items)} of {rows} rows have a "
            f"{what}: all rows must have one, or none"
        )
    return np.array(items) if items else None


def _read_libsvm(files: Sequence[DataFile], charset: str) -> Table:
    rows = _Sparse()
    for path in files:
        with path.open(encoding=charset, errors="replace") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    rows.add(line)
                except ValueError:
                    raise UserError(_not_libsvm(path, number, line)) from None
    return rows.table()


def _not_libsvm(path: DataFile, number: int, line: str) -> str:
    place = "First line" if number == 1 else f"Line {number}"
    return (
        f"{place} '{line.strip()[:50]}...' of file '{path.name}' is not 'LIBSVM' format. Please "
        "ensure the file is in 'LIBSVM' format."
    )


# ---- matrices --------------------------------------------------------------------------------


def matrix(table: Table, make: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """`make` is xgboost.DMatrix; its complaints about the data are the user's."""
    try:
        return make(
            table.features,
            label=table.labels,
            weight=table.weights,
            qid=table.groups,
            **options,
        )
    except ValueError as error:  # XGBoostError is one
        raise UserError(f"Failed to load data with exception:\n{_first_part(error)}") from error


def _first_part(error: Exception) -> str:
    return str(error).partition("\nStack trace")[0].strip()
