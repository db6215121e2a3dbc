"""``python -m kvmdocs.cli``: the command line, where its script is not installed."""

from kvmdocs.cli.main import main

main()
