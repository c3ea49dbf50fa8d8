"""Asking a running Towline over its API: `remote` once, `tail` as long as records come."""
