"""The kinds of shadow that can be asked, one a file."""
