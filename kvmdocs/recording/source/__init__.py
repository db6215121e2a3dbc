"""Source locations in a transcript: which line of which file a stack frame names, and whether it is there."""
