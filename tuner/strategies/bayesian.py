"""Bayesian: today by SkoptGP's model."""

from __future__ import annotations

from tuner.strategies.skopt_gp import SkoptGP


class Bayesian(SkoptGP):
    name = "Bayesian"
