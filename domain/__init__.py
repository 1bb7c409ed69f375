"""What is true: aggregates, lifecycles and policies. Pure: no I/O, no clock, no randomness."""
