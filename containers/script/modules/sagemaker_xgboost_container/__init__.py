"""What users' scripts import of AWS's XGBoost image, done by containers/xgboost.

Source: the script of "Use XGBoost with the SageMaker Python SDK", and
aws/sagemaker-xgboost-container, data_utils.py and distributed.py.
"""

from __future__ import annotations

from pathlib import Path

# Its package `algorithm` becomes a part of this one: by its own name it could hide, or be hidden
# by, a module of the user's.
__path__.append(str(Path(__file__).resolve().parents[3] / "xgboost"))
