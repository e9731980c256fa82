"""The training environment as an object: `environment.Environment().channel_input_dirs`.

Source: AWS's developer guide, "SageMaker AI environment variables" in script mode.
"""

from __future__ import annotations

import json
import os
from typing import Any


class Environment:
    """The members of SM_TRAINING_ENV as attributes: hosts, hyperparameters, model_dir, ..."""

    def __init__(self) -> None:
        """Raises KeyError outside of a training job."""
        vars(self).update(json.loads(os.environ["SM_TRAINING_ENV"]))

    def __getattr__(self, name: str) -> Any:
        known = ", ".join(sorted(vars(self)))
        raise AttributeError(f"The training environment has no {name} here. It has: {known}.")
