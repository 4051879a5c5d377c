"""What a figure shows."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. `beside` is the peer or limit of the same run; `ratio` compares with it."""

    figure: str
    measured: str
    beside: str = "none"
    ratio: str = ""
    goal: str = ""

    def markdown(self) -> str:
        return f"| {self.figure} | {self.measured} | {self.beside} | {self.ratio} | {self.goal} |"


HEADER = """| figure | measured | beside it, in the same run | ratio | goal |
| --- | --- | --- | --- | --- |"""


@dataclass(frozen=True)
class Scale:
    """How much is measured. `seconds` is the length of each load."""

    rows: int = 100_000
    seconds: float = 3.0


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
