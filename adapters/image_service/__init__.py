"""Image services: where images are kept, and given from."""
