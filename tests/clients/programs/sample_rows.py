"""A small binary classification: the label first, then three features, as CSV."""

import random


def rows(count, seed):
    draw = random.Random(seed)
    lines = []
    for _ in range(count):
        x = [draw.gauss(0, 1) for _ in range(3)]
        label = int(x[0] - 2 * x[1] + draw.gauss(0, 0.5) > 0)
        lines.append(",".join(map(str, [label, *x])))
    return "\n".join(lines) + "\n"
