"""Machines that processes run on: all of them this one, or each a network namespace of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

LOOPBACK = "127.0.0.1"


class NoNamespaces(Exception):
    """They cannot be made here; the message says why."""


class Machine(msgspec.Struct, frozen=True):
    """Something with an address, on which programs run."""

    name: str
    address: str = LOOPBACK
    namespace: str = ""
    """Its network namespace; empty: ours."""

    def running(self, command: Sequence[str]) -> list[str]:
        """The command that runs this one there, as the process that was asked for."""
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []
        return [*inside, *command]

    def cut_off(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        _ip("-n", self.namespace, "link", "set", "eth0", "down")

    def join(self) -> None:
        """As before `cut_off`."""
        _ip("-n", self.namespace, "link", "set", "eth0", "up")

    def cut_from(self, other: "Machine") -> None:
        """What it sends to the other is lost, so that the two cannot talk."""
        _ip("-n", self.namespace, "route", "replace", "blackhole", other.address)

    def join_with(self, other: "Machine") -> None:
        """As before `cut_from`."""
        _ip("-n", self.namespace, "route", "del", "blackhole", other.address)


def on_loopback(names: Sequence[str]) -> dict[str, Machine]:
    """Machines that are all this one; nothing can come between them."""
    return {name: Machine(name=name) for name in names}


def possible() -> None:
    """Returns if `in_namespaces` will do. Raises NoNamespaces."""
    with in_namespaces(["trial"]):
        pass


@contextmanager
def in_namespaces(names: Sequence[str]) -> Iterator[Mapping[str, Machine]]:
    """Machines on one network, which we are on, too. Raises NoNamespaces."""
    if not (shutil.which("ip") and shutil.which("nsenter")):
        raise NoNamespaces("there is no `ip` or no `nsenter` (iproute2, util-linux)")
    run = os.getpid() % 0x10000
    net, bridge = f"10.{192 + run % 64}.{run // 64 % 256}", f"lpl{run:04x}"
    machines = {
        name: Machine(name=name, address=f"{net}.{n + 10}", namespace=f"{bridge}-{name}")
        for n, name in enumerate(names)
    }
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for n, machine in enumerate(machines.values()):
            _connect(machine, bridge, port=f"{bridge}v{n}")
        yield machines
    finally:
        for machine in machines.values():
            if Path("/run/netns", machine.namespace).exists():
                _ip("netns", "del", machine.namespace)
        if Path("/sys/class/net", bridge).exists():
            _ip("link", "del", bridge)


def _connect(machine: Machine, bridge: str, *, port: str) -> None:
    _ip("netns", "add", machine.namespace)
    _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
    _ip("link", "set", port, "master", bridge, "up")
    inside = ("-n", machine.namespace)
    _ip(*inside, "addr", "add", f"{machine.address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "link", "set", "lo", "up")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNamespaces(f"ip {' '.join(words)}: {done.stderr.strip()}")
