"""The command line: one file for each command, its parser and what it runs together."""
