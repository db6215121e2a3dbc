"""Values, errors, settings and words that every other room uses. It imports no other room."""
