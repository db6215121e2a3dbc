"""The MkDocs plugin and the parts that it adds to pages."""
