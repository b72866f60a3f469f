"""How many cores there are for this process."""

import os


def cores() -> int:
    """Cores that this process may use: those that it is pinned to, where the system can pin."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
