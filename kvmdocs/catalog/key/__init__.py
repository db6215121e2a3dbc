"""The cache key: SHA-256 of everything that can change a record."""
