"""The training environment as an object: `environment.Environment().channel_input_dirs`.

Source: AWS's developer guide, "SageMaker AI environment variables" in script mode.
"""

from __future__ import annotations

import json
import os
from typing import Any

_BOOLEANS = ("true", "false")


class Environment:
    """The members of SM_TRAINING_ENV as attributes: hosts, hyperparameters, model_dir, ...

    The drivers of SageMaker's SDK v3 write one of their own, with fewer members; what it lacks
    is in variables, such as SM_CURRENT_INSTANCE_GROUP.
    """

    def __init__(self) -> None:
        """Raises KeyError outside of a training job."""
        vars(self).update(json.loads(os.environ["SM_TRAINING_ENV"]))

    def __getattr__(self, name: str) -> Any:
        value = os.environ.get(f"SM_{name.upper()}")
        if value is not None:
            return json.loads(value) if value in _BOOLEANS or value[:1] in ("[", "{") else value
        known = ", ".join(sorted(vars(self)))
        raise AttributeError(f"The training environment has no {name} here. It has: {known}.")
