"""What goes wrong with the driver in memory, and when."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Literal

import msgspec

OnVolume = Literal["create_volume", "delete_volume", "extend_volume", "retype_volume"]
OnConnection = Literal["connect_volume", "disconnect_volume", "connections"]
OnContent = Literal[
    "read", "write_volume", "written", "read_written", "overwrite_volume", "adopt_volume"
]
OnCopy = Literal["create_snapshot", "delete_snapshot", "clone_volume", "revert_volume"]
Operation = Literal[OnVolume, OnConnection, OnContent, OnCopy, "stats", "objects", "check"]


class Work(Enum):
    """How much of its work a failing call has done."""

    NONE = "none"
    HALF = "half"
    ALL = "all"


class Hold:
    """Stops a call until `release`; `reached` is set once a call stands still here."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def passed(self) -> None:
        self.reached.set()
        await self._released.wait()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One call's misfortune, in this order: late, held, `work` done, then `failure` raised.

    Without a failure the call does all its work and succeeds.
    """

    failure: Exception | None = None
    work: Work = Work.NONE
    latency_s: float = 0.0
    hold: Hold | None = None


class Faults:
    """What goes wrong, and when: a queue of faults per operation, one used up by each call.

    `latency_s` is how long every call of an operation takes. `sleep` is what waits for it.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        latency_s: Mapping[Operation, float] | None = None,
    ) -> None:
        self._sleep = sleep
        self.latency_s: dict[Operation, float] = dict(latency_s or {})
        self._planned: dict[Operation, deque[Fault]] = {}

    def plan(self, operation: Operation, fault: Fault, *, times: int = 1) -> None:
        """After the faults already planned, let the next `times` calls meet this one."""
        self._planned.setdefault(operation, deque()).extend([fault] * times)

    def fail(self, operation: Operation, failure: Exception, *, times: int = 1) -> None:
        """Let the next `times` calls fail before they do anything."""
        self.plan(operation, Fault(failure=failure), times=times)

    async def meet(self, operation: Operation) -> Fault | None:
        """Take the fault this call meets, and wait as long as it says."""
        planned = self._planned.get(operation)
        fault = planned.popleft() if planned else None
        latency_s = self.latency_s.get(operation, 0.0) + (fault.latency_s if fault else 0.0)
        if latency_s:
            await self._sleep(latency_s)
        if fault and fault.hold:
            await fault.hold.passed()
        return fault
