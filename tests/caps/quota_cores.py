"""How large the quota is that is tested with."""

QUOTA_CORES = 0.1
