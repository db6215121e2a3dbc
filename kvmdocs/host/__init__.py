"""The host: its facts, its tools, and the packages that contain them."""
