"""The message bus: log events to their consumers, signals, leases and expiring telemetry."""
