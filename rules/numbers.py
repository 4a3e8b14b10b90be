"""A rule's whole number with all its digits; pySigma rounds those beyond 2^53 as floats are."""

from sigma.types import SigmaNumber, type_map


class WholeNumber(SigmaNumber):
    """A whole number of any size."""

    def __post_init__(self, init_number: int) -> None:
        self.number = init_number


def install() -> None:
    """Let pySigma use it."""
    type_map[int] = WholeNumber
