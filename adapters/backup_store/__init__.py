"""Where backups are kept: a port, chunks that keep its promises, and shelves to put them on."""
