"""The commands of `kvmdocs.cli`, by what they are about."""
