"""The sandbox of a model's process: one layer a file, and `lockdown`, which applies them in order."""
