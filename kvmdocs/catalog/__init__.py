"""The catalog: guides, their blocks, and the recipes that they and the project's modules define."""
