"""The recipes the guides embed, and the helpers they share."""
