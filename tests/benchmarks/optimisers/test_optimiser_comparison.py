"""Runs, kept results and the report of the comparison."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.optimisers.environments import GROUPS
from tests.benchmarks.optimisers.methods import OTHERS, PEERS, PeerError, PeerProcess, find_method
from tests.benchmarks.optimisers.objectives import Values
from tests.benchmarks.optimisers.report import Comparison, curves, lines, ranks
from tests.benchmarks.optimisers.results import Result, Results
from tests.benchmarks.optimisers.run import missing, perform
from tests.benchmarks.optimisers.simulate import simulate
from tests.benchmarks.optimisers.tasks import ALL
from tuner.domain.ranges import SearchSpace

BRANIN = ALL["branin"]


@dataclass
class Recorder:
    """A method that notes what is asked and told; random configurations."""

    name: str = "Recorder"
    version: str = "1"
    log: list[tuple[str, int]] = field(default_factory=list)
    milliseconds: float = 0.0
    stops_at: int = 10**9

    def open(self, space: SearchSpace, seed: int, parallel: int, budget: int) -> Recorder:
        self._space, self._random = space, np.random.default_rng(seed)
        return self

    def ask(self, number: int) -> Values | None:
        if number >= self.stops_at:
            return None
        self.log.append(("ask", number))
        self.milliseconds += 1.0
        return self._space.decode(self._random.random(self._space.dimension))

    def tell(self, number: int, value: float | None) -> None:
        self.milliseconds += 0.5
        self.log.append(("tell", number))


def test_one_at_a_time_is_asked_and_told_in_turns() -> None:
    method = Recorder()
    run = simulate(method, BRANIN.instance(0), 1, 3)
    assert method.log == [(what, number) for number in range(3) for what in ("ask", "tell")]
    assert run.milliseconds == [1.0, 1.5, 1.5]


def test_four_at_a_time_end_in_another_order_with_never_more_pending() -> None:
    method = Recorder()
    simulate(method, BRANIN.instance(0), 4, 30)
    pending = np.cumsum([1 if what == "ask" else -1 for what, _ in method.log])
    ended = [number for what, number in method.log if what == "tell"]
    assert pending.max() == 4
    assert (pending[3:-4] >= 3).all()
    assert sorted(ended) == list(range(30)) != ended


def test_regret_never_rises_without_noise_and_is_kept_when_nothing_is_left() -> None:
    run = simulate(Recorder(stops_at=8), BRANIN.instance(0), 1, 12)
    assert run.regrets == sorted(run.regrets, reverse=True)
    assert len(run.regrets) == 12
    assert len(run.milliseconds) == 8


def test_failures_are_told_as_such_and_count() -> None:
    run = simulate(Recorder(), ALL["hartmann3-failing"].instance(0), 1, 40)
    assert 0 < run.failed < 40


def test_a_strategy_plays_the_same_run_again() -> None:
    method = find_method("Random")
    runs = [simulate(method, BRANIN.instance(2), 4, 20).regrets for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_run_is_done_once_and_again_when_its_method_changes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    jobs = list(missing([find_method("Random")], [BRANIN], 2, 1, 10, results.all()))
    assert [job.seed for job in jobs] == [0, 1]
    result = perform(jobs[0])
    assert isinstance(result, Result)
    results.add(result)
    (left,) = missing([find_method("Random")], [BRANIN], 2, 1, 10, results.all())
    assert left.seed == 1
    assert not list(missing([find_method("Random")], [BRANIN], 1, 1, 5, results.all()))
    assert list(missing([find_method("Random")], [BRANIN], 1, 1, 11, results.all()))
    assert list(missing([Recorder("Random")], [BRANIN], 1, 1, 10, results.all()))


def test_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(result_of("A", "branin", 0, [0.5]))
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:-20])
    results.add(result_of("A", "branin", 1, [0.25]))
    assert [found.seed for found in results.all()] == [1]


def result_of(method: str, task: str, seed: int, regrets: list[float]) -> Result:
    return Result(
        method=method,
        version="1",
        task=task,
        family="smooth",
        problem="p",
        seed=seed,
        parallel=1,
        budget=len(regrets),
        failed=0,
        regrets=regrets,
        milliseconds=[1.0] * len(regrets),
    )


def test_ranks_are_of_seed_averages_with_ties_shared() -> None:
    regrets = np.array([[0.1, 0.2, 0.2], [0.3, 0.1, 0.2]])
    assert ranks(regrets).tolist() == [2.0, 1.75, 2.25]


def test_only_runs_that_all_methods_have_are_compared() -> None:
    results = [
        result_of("A", "branin", 0, [0.5, 0.1]),
        result_of("B", "branin", 0, [0.4, 0.3]),
        result_of("A", "branin", 1, [0.0, 0.0]),
        result_of("A", "levy-6", 0, [0.2, 0.2]),
    ]
    comparison = Comparison.of(results, ["A", "B"], 2)
    assert comparison.at(2).tolist() == [[0.1, 0.3]]
    text = "\n".join(lines(comparison, [1, 2], "A"))
    assert "0 wins, 0 ties, 1 losses" in text.split("after 2")[0]
    assert "1 wins, 0 ties, 0 losses" in text.split("after 2")[1]
    assert [panel["title"] for panel in curves(comparison)] == [
        "all (1 tasks)",
        "smooth (1 tasks)",
    ]


def test_a_peer_speaks_json_lines_and_its_errors_come_through(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(PEERS)!r})\n"
        "from serve import serve\n"
        "class Study:\n"
        "    def __init__(self, space, seed, parallel, budget): self.space = space\n"
        "    def ask(self, number):\n"
        "        print('noise')\n"
        "        return {item['name']: item['low'] for item in self.space}\n"
        "    def tell(self, number, value): raise ValueError('too much')\n"
        "serve(Study)\n"
    )
    process = PeerProcess([sys.executable, str(script)])
    space = [{"name": "x", "kind": "float", "low": 0.5, "high": 1.0, "log": False}]
    process.request(open=space, seed=1, parallel=1, budget=3)
    assert json.dumps(process.request(ask=0)["values"]) == '{"x": 0.5}'
    with pytest.raises(PeerError, match="too much"):
        process.request(tell=0, value=1.0)


def test_methods_that_need_something_say_what(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="--environments DIR"):
        find_method("OptunaGP")
    with pytest.raises(LookupError, match=r"environments\.py .* optuna"):
        find_method("OptunaGP", tmp_path)
    with pytest.raises(LookupError, match="--prototype PATH"):
        find_method("Prototype")
    with pytest.raises(LookupError, match="no method 'nope'"):
        find_method("nope")


def test_every_peer_has_an_environment_and_a_script() -> None:
    for group, _, _ in OTHERS.values():
        assert group in GROUPS
        assert (PEERS / f"{group}_peer.py").exists()
