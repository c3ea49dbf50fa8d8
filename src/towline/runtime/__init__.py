"""Specs, their diff, slots and the reconciler: the only room that starts or stops anything."""
