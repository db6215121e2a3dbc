"""The recorder: what an author writes a recipe with, and what a record is made by."""
