"""What `mkdocs serve` adds: records in the background, and pages that show how they stand."""
