"""Seconds from a command to its end where nothing is trained: ``python -m benchmarks.start``."""

import statistics
import subprocess
import sys
import time

COMMANDS = (
    "--help",
    "train --help",
    "compare --help",
    "train --epochs 0",
    "runs --out results/cpu",
)
ROUNDS = 5
GOAL = 0.7


def seconds(words: str) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "delog_nb", *words.split()], check=False, capture_output=True
    )
    return time.perf_counter() - begin


def main() -> None:
    for words in COMMANDS:
        taken = statistics.median(seconds(words) for _ in range(ROUNDS))
        print(f"delog-nb {words}: {taken:.2f} s (goal {GOAL} s)")


if __name__ == "__main__":
    main()
