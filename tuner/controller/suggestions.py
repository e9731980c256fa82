"""Where strategies that look at the history work: a process of its own, off the owner's GIL.

The owner's side is `SuggestionWorker`: one thread that hands out calls one at a time and waits
with a deadline. The other side is this module run as a program. They talk in pickles over a
socket pair; when the owner is gone, however it ended, the socket closes and the process ends.
A process that crashed or did not answer in time is replaced and the call made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.strategies.base import Exhausted, Observation, Problem, StrategyError, Suggestion
from tuner.strategies.registry import find_strategy, warm_up

if TYPE_CHECKING:
    from tuner.controller.asking import Suggested

log = logging.getLogger("tuner.controller")

DEADLINE_SECONDS = 300.0
ATTEMPTS = 2
NICENESS = 5
CLOSE_SECONDS = 5.0

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The cores belong to the training jobs; and results must not depend on how many there are."""


class SuggestionFailed(Exception):
    """No suggestion could be had; the text is for the user."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """One call of a strategy; without a problem it only warms up."""

    strategy_name: str
    problem: Problem | None = None
    observations: tuple[Observation, ...] = ()
    seed: int = 0
    index: int = 0


@dataclass(frozen=True, slots=True)
class _Refused:
    """The strategy raised: what to tell the user, and the traceback for the log."""

    text: str
    trace: str


_Answer = Suggestion | Exhausted | _Refused | None


class SuggestionWorker:
    """Runs suggestions one at a time, in the order they come. Starts nothing before the first.

    `deadline` is in seconds for one attempt, the start of the process included.
    """

    def __init__(self, deadline: float = DEADLINE_SECONDS, attempts: int = ATTEMPTS) -> None:
        self._deadline = deadline
        self._attempts = attempts
        self._queue: queue.SimpleQueue[tuple[_Ask, Callable[[Suggested], None]] | None]
        self._queue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: _Process | None = None
        self._closed = False

    def submit(
        self,
        strategy_name: str,
        problem: Problem,
        observations: tuple[Observation, ...],
        seed: int,
        index: int,
        done: Callable[[Suggested], None],
    ) -> None:
        """Return at once; `done` is called on another thread, with SuggestionFailed if it comes
        to that. After `close` it is not called any more."""
        self._put(_Ask(strategy_name, problem, observations, seed, index), done)

    def warm_up(self, strategy_name: str) -> None:
        """Start the process and the strategy's imports now; returns at once, never fails."""
        self._put(_Ask(strategy_name), lambda _: None)

    def close(self) -> None:
        """End the process; whatever is not answered by now stays so."""
        with self._lock:
            self._closed = True
            thread, process = self._thread, self._process
        self._queue.put(None)
        if process is not None:
            process.kill()
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _put(self, ask: _Ask, done: Callable[[Suggested], None]) -> None:
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="suggestions", daemon=True)
                self._thread.start()
        self._queue.put((ask, done))

    # ---- on the thread -----------------------------------------------------------------------

    def _work(self) -> None:
        while (item := self._queue.get()) is not None and not self._closed:
            ask, done = item
            result = self._answer(ask)
            if result is not None and not self._closed:
                _tell(done, result)
        if self._process is not None:
            self._process.end()

    def _answer(self, ask: _Ask) -> Suggested | None:
        """The strategy's answer, or why there is none; None for a warm-up."""
        cause = ""
        for _ in range(self._attempts):
            try:
                process = self._running_process()
                if process is None:
                    return None
                answer = process.call(ask, self._deadline)
            except _Lost as error:
                cause = str(error)
                log.warning("suggestion %d of %s: %s", ask.index, ask.strategy_name, cause)
                self._process = None
                if ask.problem is None:
                    return None
                continue
            except Exception as error:  # what was to be sent, or came, cannot be pickled
                log.exception("suggestion %d of %s", ask.index, ask.strategy_name)
                self._process = None
                text = f"{ask.strategy_name} could not be asked: {_text(error)}"
                return None if ask.problem is None else SuggestionFailed(text)
            if isinstance(answer, _Refused):
                log.error("strategy %s failed:\n%s", ask.strategy_name, answer.trace)
                return SuggestionFailed(answer.text)
            return answer
        return SuggestionFailed(
            f"{ask.strategy_name} was tried {self._attempts} times; the last time {cause}."
        )

    def _running_process(self) -> _Process | None:
        """The process, started if need be; None when it is too late for that."""
        with self._lock:
            if self._process is None and not self._closed:
                self._process = _Process()
            return None if self._closed else self._process


def _tell(done: Callable[[Suggested], None], result: Suggested) -> None:
    """Whoever asked may not be able to take the answer; others still wait for theirs."""
    try:
        done(result)
    except Exception as error:
        log.exception("an answer could not be taken")
        with contextlib.suppress(Exception):
            done(SuggestionFailed(f"its answer could not be taken: {_text(error)}"))


class _Lost(Exception):
    """The process is gone; the text says how, as the end of a sentence."""


class _Process:
    """One running worker process. It is ended already when `call` raises anything."""

    def __init__(self) -> None:
        """Raises _Lost if it cannot be started."""
        self._connection, theirs = Pipe()
        command = [sys.executable, "-P", "-m", __spec__.name, str(theirs.fileno())]
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            self._connection.close()
            raise _Lost(f"no process could be started ({error})") from error
        finally:
            theirs.close()

    def call(self, ask: _Ask, deadline: float) -> _Answer:
        """Send and wait; raises _Lost when the process ended, or was ended at the deadline, and
        whatever pickling raises."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.kill()

        watchdog = threading.Timer(deadline, expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._connection.send(ask)
            answer: _Answer = self._connection.recv()
            return answer
        except (EOFError, OSError) as error:
            code = self.end()
            if expired.is_set():
                raise _Lost(f"there was no answer within {deadline:g} seconds") from error
            raise _Lost(f"its process ended with {_exit_text(code)}") from error
        except Exception:
            self.end()
            raise
        finally:
            watchdog.cancel()

    def kill(self) -> None:
        """From any thread; a `call` in progress notices."""
        self._popen.kill()

    def end(self) -> int:
        """End it, if it still runs, and say how it ended."""
        self._connection.close()
        try:
            return self._popen.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait(CLOSE_SECONDS)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the process gets: the same modules within reach, one thread for arithmetic."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return {**environ, **_ONE_THREAD, "PYTHONPATH": path}


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


# ---- the process -----------------------------------------------------------------------------


def _main(connection: Connection) -> None:
    os.nice(NICENESS)
    asks: queue.SimpleQueue[_Ask] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, asks), daemon=True).start()
    while True:
        answer = _answer(asks.get())
        try:
            connection.send(answer)
        except OSError:
            return
        except Exception as error:
            connection.send(_refused(error))


def _receive(connection: Connection, asks: queue.SimpleQueue[Any]) -> None:
    """Read ahead, so that the end of the owner is noticed in the middle of a suggestion."""
    try:
        while True:
            asks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _answer(ask: _Ask) -> _Answer:
    try:
        if ask.problem is None:
            warm_up(ask.strategy_name)
            return None
        strategy = find_strategy(ask.strategy_name)
        result = strategy.suggest(ask.problem, ask.observations, ask.seed, ask.index)
    except Exception as error:
        return _refused(error)
    if not isinstance(result, Suggestion | Exhausted):
        return _refused(TypeError(f"suggest returned {result!r}"))
    return result


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _refused(error: Exception) -> _Refused:
    meant_for_users = isinstance(error, StrategyError) or type(error) is LookupError
    text = str(error) if meant_for_users else _text(error)
    return _Refused(text, "".join(traceback.format_exception(error)))


if __name__ == "__main__":
    # Under its own name, so that pickles of both sides mean the same classes.
    from tuner.controller import suggestions

    suggestions._main(Connection(int(sys.argv[1])))
