"""The driver contract, and one module per backend that keeps it."""
