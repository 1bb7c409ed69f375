"""Asking the log what happened, and proving that everything else agrees with it. Prints nothing."""
