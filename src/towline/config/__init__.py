"""Text to settings: YAML with line marks, schema, problems, frozen values."""
