"""`python -m services.cli` is `lapilli`."""

from services.cli import main

main()
