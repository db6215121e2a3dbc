"""Detection and removal of secrets in text."""
