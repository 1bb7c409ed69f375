"""The HTTP API, Cinder's v3: parse, authorise, run one command or one query, render."""
