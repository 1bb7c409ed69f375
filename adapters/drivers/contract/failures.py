"""How drivers fail."""


class DriverFailure(Exception):
    """The backend did not do what was asked.

    `reason` is for the person who has to put it right. `retryable_elsewhere` says whether another
    backend may well succeed with the same request: true for a full or broken backend, false for
    a request that is wrong wherever it goes.
    """

    def __init__(self, reason: str, retryable_elsewhere: bool) -> None:
        super().__init__(reason, retryable_elsewhere)
        self.reason = reason
        self.retryable_elsewhere = retryable_elsewhere

    def __str__(self) -> str:
        return self.reason


class VolumeBusy(DriverFailure):
    """The volume is in use on the backend and was left as it is (Cinder's VolumeIsBusy)."""

    def __init__(self, reason: str, retryable_elsewhere: bool = False) -> None:
        super().__init__(reason, retryable_elsewhere)


class InvalidConnector(DriverFailure):
    """What the client says of its node is not enough to connect it (Cinder: 400)."""

    def __init__(self, reason: str, retryable_elsewhere: bool = False) -> None:
        super().__init__(reason, retryable_elsewhere)
