"""Where events are kept: the port, and its implementations in memory and in SQL."""
