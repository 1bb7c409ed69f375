"""Every number that the README quotes, measured again by `make bench`."""
