"""Time as seconds that mean something on a GPU too, and as words."""

import time

import torch


def moment(device: torch.device) -> float:
    """The clock in seconds, once ``device`` has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(8), duration(90), duration(8000), duration(200_000)
    ('8 s', '1.5 min', '2.2 h', '2.3 days')
    """
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
