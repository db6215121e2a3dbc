"""Source locations in a transcript: stack frames, their files and lines, and the check that they exist."""
