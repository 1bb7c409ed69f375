"""A JetStream cluster of real nats-servers, each of which can be killed, stopped and cut off."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from adapters.bus.nats_server import binary_path, dying_with
from tests.support.deployment import until
from tests.support.machines import Machine
from tests.support.postgres import free_port

_CONFIG = """\
server_name: {name}
listen: "{address}:{client}"
http: "{address}:{monitor}"
log_file: {log}
cluster {{
    name: chaos
    listen: "{address}:{route}"
    routes: {routes}
}}
jetstream {{
    store_dir: {directory}
    max_memory_store: 64MB
    max_file_store: 1TB
    sync_interval: "1s"
}}
"""


class Ports(msgspec.Struct, frozen=True):
    """Where a server listens: for clients, for its peers, for who watches it."""

    client: int
    route: int
    monitor: int


class Broker:
    """One nats-server of a cluster, with its streams below `directory`."""

    def __init__(self, machine: Machine, directory: Path) -> None:
        self.machine = machine
        self.directory = directory
        self.log = directory / "nats-server.log"
        self.ports = Ports(*(free_port() for _ in range(3)))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def url(self) -> str:
        """For clients."""
        return f"nats://{self.machine.address}:{self.ports.client}"

    @property
    def route(self) -> str:
        """For its peers."""
        return f"nats://{self.machine.address}:{self.ports.route}"

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def configure(self, peers: Sequence["Broker"]) -> None:
        """Before the first start."""
        self.directory.mkdir(parents=True)
        config = _CONFIG.format(
            name=self.name,
            address=self.machine.address,
            client=self.ports.client,
            route=self.ports.route,
            monitor=self.ports.monitor,
            routes=json.dumps([peer.route for peer in peers if peer is not self]),
            log=json.dumps(str(self.log)),
            directory=json.dumps(str(self.directory)),
        )
        (self.directory / "nats-server.conf").write_text(config)

    def start(self) -> None:
        """Starts it, and does not wait: alone it would have nothing to say."""
        command = [binary_path(), "-c", str(self.directory / "nats-server.conf")]
        self._process = subprocess.Popen(
            self.machine.running(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),
        )

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def asked(self, what: str) -> Any:
        """What it says of itself. Raises OSError if it does not."""
        url = f"http://{self.machine.address}:{self.ports.monitor}/{what}"
        with urllib.request.urlopen(url, timeout=0.5) as answer:
            return json.load(answer)


class Cluster:
    """All of them; as the bus of a deployment, one server with several addresses."""

    def __init__(self, machines: Sequence[Machine], directory: Path) -> None:
        self.brokers = {each.name: Broker(each, directory / each.name) for each in machines}

    @property
    def url(self) -> str:
        """All addresses, as the settings take them."""
        return ",".join(broker.url for broker in self.brokers.values())

    async def start(self) -> None:
        """Returns once streams can be made with a replica on each. Raises NotReady."""
        brokers = list(self.brokers.values())
        for broker in brokers:
            broker.configure(brokers)
            broker.start()
        until(self._complete, what="complete JetStream cluster")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ends all that run, at once: nothing that they keep is needed any more."""
        for broker in self.brokers.values():
            if broker.running:
                broker.kill()

    def leader(self, stream: str = "", consumer: str = "") -> str | None:
        """The name of who leads it, or the cluster itself; None while nobody is known to."""
        for found in self._told("jsz?streams=1&consumers=1" if stream else "jsz"):
            named = _leader(found, stream, consumer)
            if named in self.brokers:
                return named
        return None

    def consumers(self) -> list[tuple[str, str]]:
        """Stream and name of each that is known."""
        for found in self._told("jsz?streams=1&consumers=1"):
            known = [(c["stream_name"], c["name"]) for s in _streams(found) for c in _consumers(s)]
            if known:
                return sorted(known)
        return []

    def _complete(self) -> bool:
        """Whether its leader knows of all others, and that they have followed."""
        others = len(self.brokers) - 1
        return any(
            [each["current"] for each in found["meta_cluster"].get("replicas") or []]
            == [True] * others
            for found in self._told("jsz")
            if "meta_cluster" in found
        )

    def _told(self, what: str) -> Iterator[dict[str, Any]]:
        for broker in self.brokers.values():
            try:
                yield broker.asked(what)
            except OSError:
                continue


def _leader(found: dict[str, Any], stream: str, consumer: str) -> str | None:
    if not stream:
        return str(found.get("meta_cluster", {}).get("leader", "")) or None
    for each in _streams(found):
        if each["name"] == stream:
            led = [c for c in _consumers(each) if c["name"] == consumer] if consumer else [each]
            return next((str(c.get("cluster", {}).get("leader", "")) for c in led), None)
    return None


def _streams(found: dict[str, Any]) -> list[dict[str, Any]]:
    accounts = found.get("account_details") or []
    return [stream for account in accounts for stream in account.get("stream_detail") or []]


def _consumers(stream: dict[str, Any]) -> list[dict[str, Any]]:
    return stream.get("consumer_detail") or []
