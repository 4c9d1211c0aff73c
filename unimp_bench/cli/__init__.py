"""The command line: thin commands over the harness, imported only when used."""
