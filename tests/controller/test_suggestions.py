"""The process in which suggestions are made: answers, crashes, hangs and the owner's end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from tuner.controller.suggestions import SuggestionFailed, SuggestionWorker
from tuner.domain.definitions import ObjectiveType
from tuner.domain.ranges import Categorical, Continuous, SearchSpace
from tuner.strategies.base import Exhausted, Observation, ObservationState, Problem, Suggestion
from tuner.strategies.registry import find_strategy

WAIT = 60.0
TASK = Problem(
    space=SearchSpace((Continuous("x", 0.0, 1.0),)), objective_type=ObjectiveType.MINIMIZE
)
STRATEGIES = '''
import os, pathlib, time

HERE = pathlib.Path(__file__).parent


class Unreadable:
    def __reduce__(self):
        return int, ("no number",)


class Odd:
    """Does what the index says; strategies that brought themselves may do anything."""

    name = "Odd"

    def needs_history(self, index):
        return True

    def suggest(self, problem, observations, seed, index):
        from tuner.strategies.base import Suggestion

        match index:
            case 1:
                raise ValueError("no idea")
            case 2:
                os.kill(os.getpid(), 9)
            case 3:
                time.sleep(3600)
            case 4:
                return "nonsense"
            case 5:
                return Suggestion(values={}, memo={"f": lambda: 0})
            case 6 if not (HERE / "crashed").exists():
                (HERE / "crashed").touch()
                os._exit(3)
            case 7:
                print("noise", flush=True)
                os.write(1, b"more noise")
            case 8:
                (HERE / "pid").write_text(str(os.getpid()))
                time.sleep(3600)
            case 9:
                return Suggestion(values={"x": "0"}, memo={"f": Unreadable()})
        memo = {"pid": os.getpid(), "nice": os.nice(0), "threads": os.environ["OMP_NUM_THREADS"]}
        return Suggestion(values={"x": str(index)}, memo=memo)
'''

Result = Suggestion | Exhausted | Exception


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings the strategy `Odd`."""
    (tmp_path / "odd_strategy.py").write_text(STRATEGIES)
    metadata = tmp_path / "odd-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[amtlocal.strategies]\nOdd = odd_strategy:Odd\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def make() -> Iterator[Callable[..., SuggestionWorker]]:
    made: list[SuggestionWorker] = []

    def worker(**options: float) -> SuggestionWorker:
        made.append(SuggestionWorker(**options))  # type: ignore[arg-type]
        return made[-1]

    yield worker
    for item in made:
        item.close()


def ask(worker: SuggestionWorker, name: str, index: int, task: Problem = TASK) -> Result:
    answers: SimpleQueue[Result] = SimpleQueue()
    worker.submit(name, task, (), 1, index, answers.put)
    return answers.get(timeout=WAIT)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def await_end(pid: int) -> None:
    deadline = time.monotonic() + WAIT
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def test_the_answer_is_the_one_the_strategy_gives_here(
    make: Callable[..., SuggestionWorker],
) -> None:
    assert ask(make(), "Random", 7) == find_strategy("Random").suggest(TASK, (), 1, 7)


def test_a_model_in_the_process_says_what_it_says_here(
    make: Callable[..., SuggestionWorker],
) -> None:
    pytest.importorskip("skopt", reason="needs skopt: pip install 'amtlocal[skopt]'")
    strategy, worker = find_strategy("SkoptGP"), make()
    worker.warm_up("SkoptGP")
    record = []
    for index in range(12):
        value = strategy.suggest(TASK, (), 1, min(index, 9))
        assert isinstance(value, Suggestion)
        record.append(
            Observation(
                index=index,
                values={"x": str(index / 12)},
                state=ObservationState.SUCCEEDED,
                value=(index / 12 - 0.4) ** 2,
            )
        )
    answers: SimpleQueue[Result] = SimpleQueue()
    worker.submit("SkoptGP", TASK, tuple(record), 1, 12, answers.put)
    assert answers.get(timeout=WAIT) == strategy.suggest(TASK, record, 1, 12)


def test_exhaustion_comes_through(make: Callable[..., SuggestionWorker]) -> None:
    task = Problem(
        space=SearchSpace((Categorical("c", ("a",)),)), objective_type=ObjectiveType.MINIMIZE
    )
    assert isinstance(ask(make(), "Grid", 1, task), Exhausted)


def test_answers_come_in_order_from_one_gentle_single_threaded_process(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    worker = make()
    answers: SimpleQueue[Result] = SimpleQueue()
    for index in (10, 11, 12):
        worker.submit("Odd", TASK, (), 1, index, answers.put)
    got = [answers.get(timeout=WAIT) for _ in range(3)]
    assert all(isinstance(item, Suggestion) for item in got)
    assert [item.values["x"] for item in got] == ["10", "11", "12"]  # type: ignore[union-attr]
    (memo,) = {tuple(item.memo.items()) for item in got}  # type: ignore[union-attr]
    about = dict(memo)
    assert about["pid"] != os.getpid()
    assert about["nice"] > os.nice(0) or about["nice"] == 19
    assert about["threads"] == "1"


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (1, "ValueError: no idea"),
        (4, "TypeError: suggest returned 'nonsense'"),
        (5, "lambda"),
    ],
)
def test_an_error_of_the_strategy_is_its_text_and_is_not_tried_again(
    odd: Path, make: Callable[..., SuggestionWorker], index: int, text: str
) -> None:
    worker = make(attempts=1)
    result = ask(worker, "Odd", index)
    assert isinstance(result, SuggestionFailed)
    assert text in str(result)
    assert isinstance(ask(worker, "Odd", 10), Suggestion)


def test_an_unknown_strategy_says_what_there_is(make: Callable[..., SuggestionWorker]) -> None:
    assert "There is no strategy named 'None'. Known are: " in str(ask(make(), "None", 0))


def test_a_crash_is_retried_in_a_new_process(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    result = ask(make(), "Odd", 6)
    assert isinstance(result, Suggestion)
    assert (odd / "crashed").exists()


def test_what_always_crashes_fails_with_the_signal_and_the_next_call_works(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    worker = make()
    result = ask(worker, "Odd", 2)
    assert isinstance(result, SuggestionFailed)
    assert str(result) == "Odd was tried 2 times; the last time its process ended with signal 9."
    assert isinstance(ask(worker, "Odd", 10), Suggestion)


def test_what_hangs_is_ended_at_the_deadline(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    result = ask(make(deadline=0.5), "Odd", 3)
    assert isinstance(result, SuggestionFailed)
    assert "there was no answer within 0.5 seconds" in str(result)


def test_what_cannot_be_sent_or_read_fails_and_the_next_call_works(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    worker = make()
    unsendable = replace(TASK, arguments={"f": lambda: 0})  # type: ignore[dict-item]
    for result in (ask(worker, "Odd", 10, unsendable), ask(worker, "Odd", 9)):
        assert isinstance(result, SuggestionFailed)
        assert str(result).startswith("Odd could not be asked: ")
        assert isinstance(ask(worker, "Odd", 10), Suggestion)


def test_an_answer_that_cannot_be_taken_is_a_failure_and_the_next_call_works(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    worker = make()
    answers: SimpleQueue[Result] = SimpleQueue()

    def picky(result: Result) -> None:
        if isinstance(result, Suggestion):
            raise KeyError("not this one")
        answers.put(result)

    worker.submit("Odd", TASK, (), 1, 10, picky)
    assert isinstance(answers.get(timeout=WAIT), SuggestionFailed)
    assert isinstance(ask(worker, "Odd", 10), Suggestion)


def test_what_a_strategy_prints_does_not_disturb(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    assert isinstance(ask(make(), "Odd", 7), Suggestion)


def test_close_ends_a_suggestion_under_way_and_answers_nothing_more(
    odd: Path, make: Callable[..., SuggestionWorker]
) -> None:
    worker = make()
    answers: SimpleQueue[Result] = SimpleQueue()
    worker.submit("Odd", TASK, (), 1, 8, answers.put)
    pid = _written_pid(odd / "pid")
    worker.close()
    await_end(pid)
    worker.submit("Odd", TASK, (), 1, 10, answers.put)
    assert answers.empty()


def test_the_process_ends_when_its_owner_is_killed_in_the_middle(odd: Path) -> None:
    program = (
        "import sys, time\n"
        f"sys.path[:0] = [{str(odd)!r}, {str(Path(__file__).parent)!r}]\n"
        "from test_suggestions import TASK\n"
        "from tuner.controller.suggestions import SuggestionWorker\n"
        "SuggestionWorker().submit('Odd', TASK, (), 1, 8, print)\n"
        "time.sleep(3600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program])
    try:
        pid = _written_pid(odd / "pid")
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait(WAIT)
    await_end(pid)


def _written_pid(path: Path) -> int:
    deadline = time.monotonic() + WAIT
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, "the suggestion never began"
        time.sleep(0.02)
    return int(path.read_text())
