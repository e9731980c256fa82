"""A training function that the hosts of a training job run as one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import xgboost

from sagemaker_xgboost_container.algorithm.hosts import Report, together
from sagemaker_xgboost_container.algorithm.meeting import resolve
from sagemaker_xgboost_container.algorithm.platform import Platform, root_directory


def rabit_run(
    exec_fun: Callable[..., object],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    max_connect_attempts: int | None = None,
    connect_retry_timeout: int = 3,
    update_rabit_args: bool = False,
) -> None:
    """Run `exec_fun(**args)` on the hosts with data, the first of which gets `is_master=True`
    with `update_rabit_args`; a host without data exits with 0. Ports and attempts are chosen
    here. Raises UserError when a host does not come, or none has data."""
    platform = Platform(root_directory(), {}, {}, tuple(sorted(hosts)), current_host)
    report = Report(current_host, include_in_training)
    with together(platform, report, xgboost) as takes_part:
        if takes_part:
            if update_rabit_args:
                args["is_master"] = xgboost.collective.get_rank() == 0
            exec_fun(**args)
    if not takes_part:
        logging.warning("Host %s not being used for distributed training.", current_host)
        sys.exit(0)


def wait_hostname_resolution(sm_hosts: Sequence[str]) -> None:
    """Raises UserError when a name does not come up within a quarter of an hour."""
    for host in sm_hosts:
        resolve(host)
