"""The pytest plugin: recipes and blocks as test items."""
