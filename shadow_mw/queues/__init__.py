"""What stands between the app and the worker, one queue a file."""
