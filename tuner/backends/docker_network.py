"""What a training job's containers are connected to, and how they find each other."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuner.backends.docker_connection import EngineRefused
from tuner.backends.docker_engine import Engine

_FIRST_ADDRESS = 10
_TRIES = 5
_WITHOUT_GATEWAY = "com.docker.network.bridge.inhibit_ipv4"


@dataclass(frozen=True, slots=True)
class Wiring:
    """`mode` is the engine's network mode; `addresses` are the hosts' on a network of their own;
    `interface` is what resourceconfig.json says."""

    mode: str
    interface: str
    addresses: Mapping[str, str] = field(default_factory=dict)

    def known_to(self, host: str) -> dict[str, str]:
        """The hosts file's entries of one host; with a network it knows itself."""
        if self.mode == "none":
            return {host: "127.0.0.1"}
        return {name: place for name, place in self.addresses.items() if name != host}


def wire(
    engine: Engine, name: str, hosts: Sequence[str], labels: Mapping[str, str], *, isolated: bool
) -> Wiring:
    """The network of a training job; several hosts get one of their own with this name.

    A name of the engine's own resolves only while its container runs. So the hosts have fixed
    addresses, which they know from their start. Isolated ones reach nothing but each other:
    their network has no gateway, and everything else is "No route to host".
    Raises EngineUnavailable or EngineRefused.
    """
    if len(hosts) == 1:
        return Wiring("none", "lo") if isolated else Wiring("bridge", "eth0")
    for attempt in range(_TRIES):
        try:
            subnet = _create(engine, name, labels, isolated)
            break
        except EngineRefused as error:  # somebody took the subnet meanwhile
            if "overlap" not in str(error) or attempt == _TRIES - 1:
                raise
    addresses = (subnet[_FIRST_ADDRESS + number] for number in range(1, len(hosts) + 1))
    return Wiring(name, "eth0", dict(zip(hosts, map(str, addresses), strict=True)))


def _create(
    engine: Engine, name: str, labels: Mapping[str, str], isolated: bool
) -> ipaddress.IPv4Network:
    """Have the engine choose a free subnet, then ask for it by name: only in a subnet that was
    asked for may addresses be chosen."""
    from docker.types import IPAMConfig, IPAMPool

    found = engine.create_network(name, labels=dict(labels), internal=isolated)
    subnet = engine.subnet(found)
    engine.remove_network(found)
    engine.create_network(
        name,
        labels=dict(labels),
        internal=isolated,
        options={_WITHOUT_GATEWAY: "true"} if isolated else None,
        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
    )
    return ipaddress.IPv4Network(subnet)
