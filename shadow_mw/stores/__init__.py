"""Where comparisons are kept and queried: an embedded store in one folder, without a server."""
