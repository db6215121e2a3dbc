"""Tests: a folder for each room of the engine, and scenarios, content, recipes and scripts."""
