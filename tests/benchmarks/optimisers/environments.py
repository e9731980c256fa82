"""Make the environments of the peers: one per group, so that no versions conflict.

    python tests/benchmarks/optimisers/environments.py DIR [GROUP ...]

What is there already is left alone. Groups are the names in GROUPS; without names, all. `optuna`
takes 6 GB where only a CUDA build of torch is to be had.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

GROUPS = {
    "bayes_opt": ["bayesian-optimization>=3"],
    "curves": ["matplotlib>=3.8"],
    "hyperopt": ["hyperopt>=0.3"],
    "nevergrad": ["nevergrad>=1.0.12", "numpy<2.3"],
    "optuna": ["optuna>=5", "scipy", "torch"],
    "skopt": ["scikit-optimize>=0.10.2"],
    "smac": ["smac>=2.3", "scikit-learn<1.7"],
    "syne_tune": ["syne-tune>=0.16", "xgboost"],
}
"""Group to what is installed in its environment."""


def python_of(directory: Path, group: str) -> Path:
    return directory / group / "bin" / "python"


def make(directory: Path, group: str) -> None:
    """Raises CalledProcessError where the installation fails."""
    if python_of(directory, group).exists():
        return
    print(f"{group}: {', '.join(GROUPS[group])}", flush=True)
    venv.create(directory / group, with_pip=True)
    subprocess.run(
        [python_of(directory, group), "-m", "pip", "install", "--quiet", *GROUPS[group]],
        check=True,
    )


def main() -> None:
    directory, groups = Path(sys.argv[1]), sys.argv[2:] or list(GROUPS)
    unknown = set(groups) - GROUPS.keys()
    if unknown:
        raise SystemExit(f"Unknown: {', '.join(sorted(unknown))}. Known are: {', '.join(GROUPS)}.")
    for group in groups:
        make(directory, group)


if __name__ == "__main__":
    main()
