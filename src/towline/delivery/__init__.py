"""From the store to a backend: cursors, batches, retry, accounting."""
