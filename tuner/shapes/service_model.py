"""The service models that come with botocore, and the way through a request by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from tuner.domain.errors import Fault


@cache
def service_model(service: str = "sagemaker") -> ServiceModel:
    """Loaded once; what a user keeps in ~/.aws/models does not count."""
    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def input_shape(operation: str, service: str = "sagemaker") -> Shape:
    """The shape of an operation's request; raises ValueError for one that takes none."""
    model: OperationModel = service_model(service).operation_model(operation)
    shape: Shape | None = model.input_shape
    if shape is None:
        raise ValueError(f"{operation} has no request")
    return shape


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is: as the user wrote it (`Tags[0].Key`), and as the service names the
    place in its messages (`tags.1.member.key`)."""

    path: str = ""
    wire: str = ""

    def member(self, name: str) -> Place:
        wire = name[:1].lower() + name[1:]
        return Place(f"{self.path}.{name}".lstrip("."), f"{self.wire}.{wire}".lstrip("."))

    def item(self, index: int) -> Place:
        return Place(f"{self.path}[{index}]", f"{self.wire}.{index + 1}.member")

    def entry(self, key: object) -> Place:
        return Place(f"{self.path}.{key}", f"{self.wire}.{key}.member")

    def fault(self, value: str, constraint: str) -> Fault:
        text = f"Value {value} at '{self.wire}' failed to satisfy constraint: {constraint}"
        return Fault(self.path, text)

    def null_fault(self) -> Fault:
        """What the service says of a required member that is missing."""
        return self.fault("null", "Member must not be null")


def walk(
    shape: Shape, value: object, place: Place | None = None
) -> Iterator[tuple[Shape, object, Place]]:
    """Every value of a request that the model has a shape for, outer before inner.

    Members that are null count as absent. Values of another type than their shape's are not
    entered, nor are maps of plain values: they are judged as a whole.
    """
    place = place or Place()
    yield shape, value, place
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from walk(member, value[name], place.member(name))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(shape.member, item, place.item(index))
    elif (
        isinstance(shape, MapShape) and isinstance(value, Mapping) and not has_plain_values(shape)
    ):
        for key, item in value.items():
            yield from walk(shape.value, item, place.entry(key))


def has_plain_values(shape: MapShape) -> bool:
    return shape.value.type_name not in ("structure", "list", "map")
