"""A local Amazon SageMaker Automatic Model Tuning that really runs the training jobs.

import tuner

job = tuner.submit("jobs/xgboost-breast-cancer.json")
job.wait()
print(job.best)
"""

# Nothing is imported before it is asked for: the keeper and every command import this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tuner.job import BestTrainingJob, Job, TuningJobFailed, load, submit
    from tuner.job.spec import FaultySpec

__all__ = ["BestTrainingJob", "FaultySpec", "Job", "TuningJobFailed", "load", "submit"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    import tuner.job.spec

    home = tuner.job.spec if name == "FaultySpec" else tuner.job
    return getattr(home, name)
