"""Job specs: read from a file or a dict, made ready for the service, faults told with lines."""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tuner.client import Client
from tuner.domain.errors import AwsError, SerializationException
from tuner.job.lines import line_of, lines_by_path, repeated

NAME = "HyperParameterTuningJobName"
IMPORTS_BUCKET = "amtlocal-imports"
_FILE = "file://"
_LIKE = 5
_LONG_ENUM = re.compile(
    r"(?P<before>Value '(?P<value>[^']*)' at .* enum value set: )\[(?P<values>[^\]]{300,})\]"
)


@dataclass(frozen=True, slots=True)
class SpecFault:
    """One thing wrong with a spec: `path` is a JSON path, "" for the document; `line` (from 1)
    and `column` are None where they are not known."""

    path: str
    message: str
    line: int | None = None
    column: int | None = None


class FaultySpec(Exception):
    """A spec that cannot be run; `faults` are all that is wrong with it."""

    def __init__(self, source: str, faults: tuple[SpecFault, ...]) -> None:
        self.source = source
        self.faults = faults
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        yield f"{self.source} has {count}"
        for fault in self.faults:
            yield f"  {place(fault)}{fault.message}"


def place(fault: SpecFault) -> str:
    """Where a fault is, in words that end in a colon and a space; "" when it is nowhere."""
    line = f"line {fault.line}" if fault.line else ""
    column = f"column {fault.column}" if fault.column else ""
    where = ", ".join(part for part in (line, column, fault.path) if part)
    return f"{where}: " if where else ""


@dataclass(frozen=True, slots=True)
class Spec:
    """A CreateHyperParameterTuningJob request as the user wrote it.

    `source` names it in messages, `text` is the file's ("" for a dict), relative `file://`
    paths start at `directory`.
    """

    source: str
    document: Mapping[str, Any]
    text: str
    directory: Path

    @classmethod
    def of(cls, source: str | Path | Mapping[str, Any]) -> Spec:
        """Raises FaultySpec for a file that cannot be read or is no JSON object."""
        if isinstance(source, Mapping):
            try:
                document = json.loads(json.dumps(dict(source), allow_nan=False))
            except (TypeError, ValueError, RecursionError) as error:
                fault = SpecFault("", f"cannot be written as JSON: {error}")
                raise FaultySpec("the spec", (fault,)) from None
            return cls("the spec", document, "", Path.cwd())
        path = Path(source)
        try:
            text = path.read_text(encoding="utf-8-sig")
            document = json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            fault = SpecFault("", f"not valid JSON: {error.msg}", error.lineno, error.colno)
            raise FaultySpec(str(path), (fault,)) from None
        except UnicodeDecodeError as error:
            fault = SpecFault("", f"must be text in UTF-8: {error}")
            raise FaultySpec(str(path), (fault,)) from None
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise FaultySpec(str(path), (SpecFault("", f"cannot be read: {reason}"),)) from None
        if not isinstance(document, dict):
            fault = SpecFault(
                "", "must be one JSON object, a CreateHyperParameterTuningJob request"
            )
            raise FaultySpec(str(path), (fault,))
        return cls(str(path), document, text, path.absolute().parent)

    def faulty(self, faults: list[tuple[str, str]]) -> FaultySpec:
        """The error for (path, message) pairs, with lines where the text has them, in order."""
        lines = lines_by_path(self.text)
        found = [
            SpecFault(path, _readable(message), line_of(lines, path)) for path, message in faults
        ]
        found.sort(key=lambda fault: fault.line or 0)
        return FaultySpec(self.source, tuple(found))


def _readable(message: str) -> str:
    """AWS's sentence, but of hundreds of allowed values only those like the one given."""
    match = _LONG_ENUM.fullmatch(message)
    if match is None:
        return message
    values = match["values"].split(", ")
    like = difflib.get_close_matches(match["value"], values, _LIKE, cutoff=0.0)
    return f"{match['before']}[{', '.join(like)}, and {len(values) - len(like)} more]"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def request_of(spec: Spec, name: str | None, client: Client) -> dict[str, Any]:
    """The request to create the spec's job: under `name` if given, with local files imported.

    Raises FaultySpec with everything that is wrong with it; nothing is created.
    """
    request = copy.deepcopy(dict(spec.document))
    if name is not None:
        request[NAME] = name

    def imported(source: Path) -> str:
        import hashlib

        place = f"{hashlib.sha256(bytes(source)).hexdigest()[:16]}/{source.name}"
        answer = client.call(
            "Tuner.ImportFiles", Source=str(source), Bucket=IMPORTS_BUCKET, Prefix=place
        )
        return str(answer["S3Uri"])

    faults = _import_inputs(request, spec.directory, client.settings.home, imported)
    told = {path for path, _ in faults}
    faults += [(path, "This name is given twice in its object.") for path in repeated(spec.text)]
    try:
        answer = client.call("Tuner.ValidateTuningJob", **request)
    except SerializationException as error:
        raise spec.faulty([*faults, ("", error.message)]) from None
    faults += [
        (item["Path"], item["Message"]) for item in answer["Faults"] if item["Path"] not in told
    ]
    if faults:
        raise spec.faulty(faults)
    return request


def _import_inputs(
    request: dict[str, Any], directory: Path, home: Path, imported: Callable[[Path], str]
) -> list[tuple[str, str]]:
    """Replace `file://` URIs of inputs in place; the faults of those that cannot be.

    These get a URI of the right form, so that what else is wrong with the request is found.
    """
    faults: list[tuple[str, str]] = []
    for holder, member, path in _uris(request):
        uri = holder.get(member)
        if not isinstance(uri, str) or not uri.startswith(_FILE):
            continue
        source = directory / uri.removeprefix(_FILE)
        holder[member] = f"s3://{IMPORTS_BUCKET}/none"
        if member == "S3OutputPath":
            problem = (
                "Outputs go to the object store: give an s3:// URI of any bucket name; "
                "`tuner best` shows where the model is on this machine."
            )
            faults.append((path, problem))
        elif not source.exists():
            faults.append((path, f"There is no file or directory {source}."))
        elif home.resolve().is_relative_to(source.resolve()):
            faults.append((path, f"{source} holds the home {home}, where it would be copied to."))
        else:
            try:
                holder[member] = imported(source.resolve())
            except AwsError as error:
                faults.append((path, error.message))
    return faults


def _uris(request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Holder, member and path of every member that may be a `file://` URI, in any request."""
    for path, definition in _definitions(request):
        output = definition.get("OutputDataConfig")
        if isinstance(output, dict):
            yield output, "S3OutputPath", f"{path}.OutputDataConfig.S3OutputPath"
        channels = definition.get("InputDataConfig")
        for index, channel in enumerate(channels if isinstance(channels, list) else ()):
            source = channel.get("DataSource") if isinstance(channel, dict) else None
            s3 = source.get("S3DataSource") if isinstance(source, dict) else None
            if isinstance(s3, dict):
                where = f"{path}.InputDataConfig[{index}].DataSource.S3DataSource.S3Uri"
                yield s3, "S3Uri", where


def _definitions(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    single = request.get("TrainingJobDefinition")
    several = request.get("TrainingJobDefinitions")
    found = [("TrainingJobDefinition", single)]
    found += [
        (f"TrainingJobDefinitions[{index}]", item)
        for index, item in enumerate(several if isinstance(several, list) else ())
    ]
    for path, definition in found:
        if isinstance(definition, dict):
            yield path, definition
