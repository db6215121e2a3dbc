"""The commands of `kvmdocs.cli.main`, by what they are about."""
