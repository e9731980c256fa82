"""What a channel may ask for in the input mode that it has.

Sources: the API reference, Channel and S3DataSource; the developer guide,
model-access-training-data; the text on compression is the service's own
(aws/sagemaker-python-sdk#716).
"""

from __future__ import annotations

from collections.abc import Iterator

from tuner.domain.definitions import Channel, InputMode, S3DataType, TrainingSpec
from tuner.domain.errors import Fault

_DIGITS = "0123456789"


def channel_faults(spec: TrainingSpec, path: str) -> Iterator[Fault]:
    """`path` is that of InputDataConfig."""
    channels = spec.input_data_config or ()
    seen: set[str] = set()
    piped = {
        channel.channel_name
        for channel in channels
        if spec.input_mode_of(channel) is InputMode.PIPE
    }
    for index, channel in enumerate(channels):
        member, name = f"{path}[{index}]", channel.channel_name
        if name in seen:
            text = f"Channel names must be unique; [{name}] is given twice."
            yield Fault(f"{member}.ChannelName", text)
        seen.add(name)
        if name in (".", ".."):
            text = f"The channel name [{name}] can't be the name of a directory."
            yield Fault(f"{member}.ChannelName", text)
        stem, _, epoch = name.rpartition("_")
        if stem in piped and name not in piped and epoch and not epoch.strip(_DIGITS):
            text = f"The channel name [{name}] is taken by an epoch of the Pipe channel [{stem}]."
            yield Fault(f"{member}.ChannelName", text)
        yield from _mode_faults(channel, spec.input_mode_of(channel), member)
        yield from _source_faults(channel, spec.input_mode_of(channel), f"{member}.DataSource")


def _mode_faults(channel: Channel, mode: InputMode, member: str) -> Iterator[Fault]:
    if mode is InputMode.PIPE:
        return
    asked = (
        ("CompressionType", "compression", channel.compression_type),
        ("RecordWrapperType", "record wrapper", channel.record_wrapper_type),
    )
    for name, words, value in asked:
        if value not in (None, "None"):
            text = (
                f"Invalid {words} type for channel {channel.channel_name}: {mode} mode only "
                f"supports NONE, got {value} instead"
            )
            yield Fault(f"{member}.{name}", text)


def _source_faults(channel: Channel, mode: InputMode, member: str) -> Iterator[Fault]:
    source = channel.data_source
    if (source.s3_data_source is None) == (source.file_system_data_source is None):
        text = "Provide either S3DataSource or FileSystemDataSource, and not both."
        yield Fault(member, text)
    of_s3 = source.s3_data_source
    if of_s3 is None:
        return
    member, kind = f"{member}.S3DataSource", of_s3.s3_data_type
    augmented = kind is S3DataType.AUGMENTED_MANIFEST_FILE
    if of_s3.attribute_names and not augmented:
        text = "AttributeNames is only supported with the S3DataType AugmentedManifestFile."
        yield Fault(f"{member}.AttributeNames", text)
    if augmented and not of_s3.attribute_names:
        text = "AttributeNames is required with the S3DataType AugmentedManifestFile."
        yield Fault(f"{member}.AttributeNames", text)
    if augmented and mode is not InputMode.PIPE:
        text = (
            "AugmentedManifestFile can only be used if the Channel's input mode is Pipe; that of "
            f"channel {channel.channel_name} is {mode}."
        )
        yield Fault(f"{member}.S3DataType", text)
    if kind is S3DataType.MANIFEST_FILE and mode is InputMode.FAST_FILE:
        text = (
            f"The input mode FastFile of channel {channel.channel_name} supports the S3DataType "
            "S3Prefix, not ManifestFile."
        )
        yield Fault(f"{member}.S3DataType", text)
