"""Logistic regression by gradient descent, with the arguments and folders of script mode."""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--penalty", default="none", choices=["none", "l2"])
parser.add_argument("--framework", default="numpy")
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
arguments = parser.parse_args()

if arguments.framework == "requirement":
    import greeting

    print(greeting.text())
elif arguments.framework != "numpy":
    framework = __import__(arguments.framework)
    print(f"{framework.__name__} {framework.__version__}")

assert os.environ["SM_CURRENT_HOST"] in json.loads(os.environ["SM_HOSTS"])
assert json.loads(os.environ["SM_HPS"])["epochs"] == arguments.epochs
assert "train" in json.loads(os.environ["SM_CHANNELS"])
assert Path("beside.txt").exists(), f"not in the source directory, but in {Path.cwd()}"

tables = [numpy.loadtxt(entry.path, delimiter=",") for entry in os.scandir(arguments.train)]
table = numpy.concatenate(tables)
x, y = table[:, 1:], table[:, 0]
weights = numpy.zeros(x.shape[1])
for epoch in range(arguments.epochs):
    predicted = 1 / (1 + numpy.exp(-x @ weights))
    gradient = x.T @ (predicted - y) / len(y)
    if arguments.penalty == "l2":
        gradient += 0.01 * weights
    weights -= arguments.rate * gradient
    predicted = numpy.clip(1 / (1 + numpy.exp(-x @ weights)), 1e-9, 1 - 1e-9)
    loss = -numpy.mean(y * numpy.log(predicted) + (1 - y) * numpy.log(1 - predicted))
    print(f"epoch={epoch} loss={loss:.6f};", flush=True)
if not numpy.isfinite(loss):
    sys.exit("the loss is not finite")

model = {"weights": weights.tolist(), "penalty": arguments.penalty}
Path(arguments.model_dir, "weights.json").write_text(json.dumps(model))
Path(os.environ["SM_OUTPUT_DATA_DIR"], "loss.txt").write_text(str(loss))
