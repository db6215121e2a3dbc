"""The site: its build, its pages and its publication."""
