"""Key managers: what keeps the keys of encrypted volumes. Each behind the same port."""
