"""A directory of files as a matrix."""

from __future__ import annotations

from pathlib import Path

import xgboost

from sagemaker_xgboost_container.algorithm import data


def get_dmatrix(
    data_path: str, content_type: str, csv_weights: int = 0, is_pipe: bool = False
) -> xgboost.DMatrix | None:
    """A file or directory in CSV or libsvm, or a pipe of CSV; None when there are no data. Raises
    UserError."""
    content = data.content_type(content_type)
    table = data.read(Path(data_path), content, bool(csv_weights), is_pipe=is_pipe)
    return None if table is None else data.matrix(table, xgboost.DMatrix, {})
