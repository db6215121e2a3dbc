"""The store: records, what is derived from them, and the approved records in git."""
