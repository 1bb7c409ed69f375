"""The outside world: one technology per file, each behind a small port."""
