"""What hypothesis makes of files and values that were right, and how a refusal reads."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

bounded = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**400, -1, "bp", "nan", 1e308, "9" * 5000])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def one_sentence(error: object, named: str = "") -> None:
    """What a user reads: the file, no traceback, and no wall of text."""
    text = str(error)
    assert text.strip()
    assert text.isprintable()
    assert named in text
    assert "Traceback" not in text
    assert len(text) < 2000


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with a few of them changed, cut out, or cut off."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from(["flip", "cut", "end", "insert"])):
            case "flip" if found:
                found[at] ^= draw(st.integers(1, 255))
            case "cut":
                del found[at : at + draw(st.integers(1, 50))]
            case "end":
                del found[at:]
            case _:
                found[at:at] = draw(st.binary(max_size=20))
    return bytes(found)
