"""Towline: container logs and container health, as code."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.library import Filters, Log, open_store
    from towline.record import Record
    from towline.store.query import Page

__version__ = "0.1.0"
__all__ = ["Filters", "Log", "Page", "Record", "__version__", "open_store"]

_HOMES = {
    "Filters": "towline.library",
    "Log": "towline.library",
    "Page": "towline.store.query",
    "Record": "towline.record",
    "open_store": "towline.library",
}


def __getattr__(name: str) -> object:
    """The library is imported when it is used: `import towline` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
