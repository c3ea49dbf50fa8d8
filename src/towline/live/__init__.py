"""Viewers: live readers of the store."""
