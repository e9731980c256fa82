"""The loop of a peer's process: requests as JSON lines on stdin, answers on stdout.

It runs in the peer's own environment, so it imports nothing of this project. Requests:
`{"open": SPACE, "seed": n, "parallel": n, "budget": n}` begins a new study, answered `{}`;
`{"ask": id}` is answered `{"values": {...}, "ms": t}`; `{"tell": id, "value": v}` (null: failed)
is answered `{"ms": t}`; `{"give": [{...}], "told": [v]}`, which a script may do without, adds
evaluations from elsewhere. SPACE is a list of `{"name", "kind": "float" | "integer" | "list",
"low", "high", "log"}` or `{..., "values"}`. All values are minimised. An exception is answered
`{"error": text}`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
import warnings
from typing import Any, Protocol


class Study(Protocol):
    def ask(self, number: int) -> dict[str, Any]: ...

    def tell(self, number: int, value: float | None) -> None: ...

    def give(self, configurations: list[dict[str, Any]], values: list[float]) -> None: ...


class Opener(Protocol):
    def __call__(
        self, space: list[dict[str, Any]], seed: int, parallel: int, budget: int
    ) -> Study: ...


def worst(values: list[float]) -> float:
    """What stands for a failed evaluation where a peer knows no failures."""
    return max(values, default=0.0)


def serve(opener: Opener) -> None:
    """Answer requests until stdin ends."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    study: Study | None = None
    for line in sys.stdin:
        request = json.loads(line)
        began = time.perf_counter()
        try:
            if "open" in request:
                study = opener(
                    request["open"], request["seed"], request["parallel"], request["budget"]
                )
                answer: dict[str, Any] = {}
            elif "ask" in request:
                answer = {"values": study.ask(request["ask"])}
            elif "give" in request:
                study.give(request["give"], request["told"])
                answer = {}
            else:
                study.tell(request["tell"], request["value"])
                answer = {}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answer["ms"] = 1000 * (time.perf_counter() - began)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
