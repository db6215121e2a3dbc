"""``python -m kvmdocs.cli``: the command line without its installed script."""

from kvmdocs.cli.main import main

main()
