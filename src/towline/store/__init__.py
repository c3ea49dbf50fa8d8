"""The append-only log every record enters first, and what reads it."""
