"""Caps: what the kernel keeps a process of ours from taking, and what is said where it does not."""
