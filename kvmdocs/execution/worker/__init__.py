"""Workers: the processes that recipes run in, with their supervisor and their limits."""
