"""The worker side: takes exchanges off a queue, asks the shadows, compares, records."""
