"""Lines of containers, from a Docker Engine."""
