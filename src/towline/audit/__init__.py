"""Who changed what: an append-only file whose entries hold on to each other."""
