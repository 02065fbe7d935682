"""How much random input a property test gets: little in a test run, much in a campaign."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

_USUAL = 100


def examples(count: int) -> settings:
    """``count`` examples in a test run; as many times more as the profile has more."""
    profile = settings.default
    assert profile is not None
    return settings(max_examples=count * profile.max_examples // _USUAL)


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """The same bytes with some flipped, cut out, doubled or put in."""
    damaged = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(damaged) - 1)))
        size = draw(st.sampled_from([1, 1, 2, 4, 8, 64]))
        match draw(st.sampled_from(["flip", "cut", "double", "insert", "zero", "ones"])):
            case "flip" if damaged:
                damaged[at] ^= draw(st.integers(1, 255))
            case "cut":
                del damaged[at : at + size]
            case "double":
                damaged[at:at] = damaged[at : at + size]
            case "zero":
                damaged[at : at + size] = bytes(len(damaged[at : at + size]))
            case "ones":
                damaged[at : at + size] = b"\xff" * len(damaged[at : at + size])
            case _:
                damaged[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(damaged)
