"""Memory of what a process has started."""

import subprocess
import sys

# holds 80 MB, and starts another one that does, argv[1] times; both say so and wait
HOLDS = """
import subprocess, sys
held, left = bytearray(b"x") * 80_000_000, int(sys.argv[1])
print("held", flush=True)
if left:
    subprocess.run([sys.executable, "-c", sys.argv[2], str(left - 1), sys.argv[2]])
else:
    sys.stdin.read()
"""
# in a process of its own, which has started nothing else
WATCHES = """
import subprocess, sys
from delog_nb.instruments.processes import PeakMemory
started, holds, *without = sys.argv[1:]
with PeakMemory(without) as memory:
    words = [sys.executable, "-c", holds, str(int(started) - 1), holds]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(int(started)):
        assert child.stdout.readline() == "held\\n"
child.communicate("")
print(memory.bytes)
"""


def most_bytes(started: int, *without: str) -> int:
    """What is seen of ``started`` processes, one started by the other."""
    words = [sys.executable, "-c", WATCHES, str(started), HOLDS, *without]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def test_processes_that_are_started_count_and_theirs_too() -> None:
    one, two = most_bytes(1), most_bytes(2)
    assert 80e6 < one < 110e6
    assert 80e6 < two - one < 110e6


def test_a_program_that_is_left_out_takes_what_it_starts_with_it() -> None:
    assert most_bytes(2, "python") == 0
