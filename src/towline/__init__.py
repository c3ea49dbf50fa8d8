"""Towline: container logs and container health, as code."""

__version__ = "0.1.0"
