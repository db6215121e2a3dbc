"""The store: records, caches derived from them, and the approved records in git."""
