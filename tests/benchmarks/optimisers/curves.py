"""Draw curves with matplotlib, in its own environment: it imports nothing of this project.

    DIR/curves/bin/python tests/benchmarks/optimisers/curves.py CURVES.json OUT.svg

CURVES.json, which `--curves` writes, has a list of panels: `{"title", "curves": {name: {"mean":
[...], "low": [...], "high": [...]}}}`, values per evaluation. A logarithmic axis of regret.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot

COLUMNS = 3


def main() -> None:
    panels = json.loads(Path(sys.argv[1]).read_text())
    rows = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(5 * COLUMNS, 3.6 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        for name, curve in panel["curves"].items():
            evaluations = range(1, len(curve["mean"]) + 1)
            axis.plot(evaluations, curve["mean"], label=name)
            axis.fill_between(evaluations, curve["low"], curve["high"], alpha=0.15, linewidth=0)
        axis.set(title=panel["title"], xlabel="evaluations", ylabel="mean regret", yscale="log")
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    figure.savefig(sys.argv[2])


if __name__ == "__main__":
    main()
