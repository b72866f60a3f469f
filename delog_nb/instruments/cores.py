"""How many cores there are for this process."""


def cores() -> int:
    """Cores that this process may use: those it is pinned to, and those its container grants.

    The environment variable LOKY_MAX_CPU_COUNT lowers the number.
    """
    import joblib

    return int(joblib.cpu_count())
