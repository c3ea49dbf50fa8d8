"""Pure steps that refine lines and encode them once."""
