"""Process managers: what happens next, after something happened; one file per concern."""
