"""Records as bash scripts."""
