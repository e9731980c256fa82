"""A real server for the tests of programs that use SageMaker.

With pytest, name this module in a conftest.py:

    pytest_plugins = ["tuner.testing"]

    def test_my_program(tuner_endpoint):
        my_program.main()  # its boto3 clients reach the server
        jobs = tuner_endpoint.client("sagemaker").list_hyper_parameter_tuning_jobs()

- `tuner_endpoint`: a server and a home for one test, with the environment set meanwhile.
- `tuner_server`: one for the whole session (with pytest-xdist: one per worker), quicker; jobs and
  buckets of all tests meet in it, and the environment is left alone.
- `tuner_environment`: that session's server, with the environment set for one test.
- `tuner_settings`: override it to return fields of `tuner.settings.Settings` for these servers,
  such as `{"image_map": {"my-image": "/my/container"}}`.

Everything else can use `with tuner.testing.serving() as server:`. Afterwards nothing is left:
training jobs that still run are killed, and the home is removed.
"""

import importlib.util

from tuner.testing.server import Server, serving

__all__ = ["Server", "serving"]

if importlib.util.find_spec("pytest") is not None:
    from tuner.testing.fixtures import (
        tuner_endpoint,
        tuner_environment,
        tuner_server,
        tuner_settings,
    )

    __all__ += ["tuner_endpoint", "tuner_environment", "tuner_server", "tuner_settings"]
