"""The client of a home's owner: finds it, or starts it, and calls it.

Every door but the TCP endpoint goes through here.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from tuner.domain.errors import AwsError, Fault, InternalFailure, ValidationException
from tuner.owner.address import CONTENT_TYPE, LARGEST_BODY, OwnerUnavailable, socket_address
from tuner.settings import Settings

__all__ = ["Client", "OwnerUnavailable"]

START_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_COPY_SECONDS = 600.0
_COPIES = ("Tuner.ImportFiles", "Tuner.GetObject")
_WITH_SETTINGS = ("SageMaker.Create", "Tuner.ValidateTuningJob", "Tuner.Serve")
"""What starts jobs is to be served by an owner with the settings that the user chose."""
_ENDING = "OwnerEnding"
_PAUSE = 0.02


class _NotServed(Exception):
    """The request was certainly not served: no owner took it."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, home: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._home = home
        self.process = os.getpid()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with socket_address(self._home) as address:
            self.sock.connect(address)


class Client:
    """Calls the owner of `settings.home`; safe to use from several threads.

    Each thread keeps one connection open. An owner that is not there is started; one that ends
    between two calls, or while it is called, is replaced without the caller noticing. So is one
    without running jobs that has other settings than these, when a job is created.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._of_thread = threading.local()

    def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call an operation of SageMaker, or a whole target such as `Tuner.Doctor`.

        Raises the AwsError that the service answers, and OwnerUnavailable.
        """
        target = operation if "." in operation else f"SageMaker.{operation}"
        body = json.dumps(params).encode()
        if len(body) > LARGEST_BODY:
            raise ValidationException(f"The request has {len(body)} bytes; that is too much.")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                answer = self._exchange(target, body)
                if answer.get("__type") != _ENDING:
                    break
                self._disconnect()
                time.sleep(_PAUSE)
            except _NotServed:
                self._start(deadline)
        if "__type" in answer:
            raise _error(answer)
        return answer

    def _start(self, deadline: float) -> None:
        # most clients find an owner, and are to start quickly
        from tuner.owner.launch import last_words, start_owner

        left = deadline - time.monotonic()
        if left <= 0:
            raise OwnerUnavailable(
                f"the background process did not answer: {last_words(self.settings)}"
            )
        if not start_owner(self.settings, left):
            time.sleep(_PAUSE)

    def _exchange(self, target: str, body: bytes) -> dict[str, Any]:
        headers = {
            "Content-Type": CONTENT_TYPE,
            "X-Amz-Target": target,
            "X-Tuner-Region": self.settings.region,
        }
        if target.startswith(_WITH_SETTINGS):
            headers["X-Tuner-Settings"] = json.dumps(self.settings.chosen())
        connection = self._connection()
        connection.timeout = _COPY_SECONDS if target in _COPIES else _ANSWER_SECONDS
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            answer = _document(response.read())
        except TimeoutError:
            self._disconnect()
            raise OwnerUnavailable(
                f"the background process did not answer {target} within {connection.timeout:.0f} s"
            ) from None
        except (http.client.RemoteDisconnected, http.client.IncompleteRead):
            self._disconnect()
            # The owner read the request and is gone: only what can be repeated is.
            from tuner.owner.launch import last_words

            if target.partition(".")[2].startswith("Create"):
                raise OwnerUnavailable(
                    f"the background process ended while it served {target}; look whether the "
                    f"job exists. The end of its log: {last_words(self.settings)}"
                ) from None
            raise _NotServed from None
        except (FileNotFoundError, ConnectionError):
            # On a unix socket a reset means that the request was never read.
            self._disconnect()
            raise _NotServed from None
        except OSError as error:
            self._disconnect()
            raise OwnerUnavailable(f"{self.settings.home} cannot be used: {error}") from None
        return answer

    def _connection(self) -> UnixConnection:
        found: UnixConnection | None = getattr(self._of_thread, "connection", None)
        if found is None or found.process != os.getpid():
            found = self._of_thread.connection = UnixConnection(self.settings.home)
        return found

    def _disconnect(self) -> None:
        self._connection().close()


def _document(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise InternalFailure(f"The owner answered no JSON: {data[:200].decode(errors='replace')}")
    return answer


def _error(answer: dict[str, Any]) -> AwsError:
    code, message = str(answer["__type"]), str(answer.get("Message", ""))
    faults = tuple(Fault(item["Path"], item["Message"]) for item in answer.get("Faults", ()))
    for kind in AwsError.__subclasses__():
        if kind.code == code:
            return kind(message, faults)
    error = AwsError(message, faults)
    error.code = code
    return error
