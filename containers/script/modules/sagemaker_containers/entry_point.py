"""AWS's example of distributed XGBoost calls this before its hosts meet."""

from __future__ import annotations

import json
import os

from sagemaker_xgboost_container.distributed import wait_hostname_resolution


def _wait_hostname_resolution() -> None:
    wait_hostname_resolution(json.loads(os.environ["SM_HOSTS"]))
