"""The program from start to exit: one run is one instance of one training job.

Exit code 0 for a trained model, 1 with a text in output/failure, 143 when stopped by SIGTERM
before there was a model to keep.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType

from .hyperparameters import validate
from .platform import Platform, UserError, fail, log, log_from_handler

_STOPPED = 128 + signal.SIGTERM


def main() -> None:
    """Train and exit."""
    signal.signal(signal.SIGTERM, _stop)
    if sys.argv[1:] not in ([], ["train"]):
        sys.exit(f"This image only trains: run it with 'train', not {sys.argv[1:]}.")
    try:
        _train()
    except UserError as error:
        fail(str(error))
    except Exception as error:
        traceback.print_exc()
        fail(f"{type(error).__name__}: {error}")


def _stop(number: int, frame: FrameType | None) -> None:
    """As process 1 of a container nothing would end the program on SIGTERM but this."""
    log_from_handler("Stopped by SIGTERM before a model was saved.", "WARNING")
    os._exit(_STOPPED)


def _train() -> None:
    log("Running XGBoost Sagemaker in algorithm mode")
    platform = Platform.read()
    hyperparameters = validate(platform.hyperparameters)
    # Here, so that what is wrong above is said before xgboost is loaded.
    from .training import run

    run(platform, hyperparameters)
