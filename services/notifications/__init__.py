"""Notifications: what other programs are told of operations, under Cinder's names."""
