"""The catalog: guides, their blocks, and the recipes that blocks and the project's modules define."""
