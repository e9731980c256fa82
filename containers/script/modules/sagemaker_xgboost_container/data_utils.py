"""A directory of files as a matrix."""

from __future__ import annotations

from pathlib import Path

import xgboost

from sagemaker_xgboost_container.algorithm import data


def get_dmatrix(
    data_path: str, content_type: str, csv_weights: int = 0, is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """A file or directory in CSV or libsvm; None when there are no data. Raises UserError."""
    if is_pipe:
        raise data.UserError("Pipe mode is not supported: use File mode.")
    table = data.read(Path(data_path), data.content_type(content_type), bool(csv_weights))
    return None if table is None else data.matrix(table, xgboost.DMatrix, {})
