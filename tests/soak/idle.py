"""How long functions are at zero while nobody uses them: only the sweeps of the shipped manifests tick."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.reaper import family
from tests.e2e.product import Product

FUNCTION = "billing-"


@dataclass(frozen=True)
class Sample:
    """Who had processes at a time; from then until the next sample counts as the same."""

    at_s: float
    running: frozenset[str]


def functions_running(root: int) -> frozenset[str]:
    """Names of the functions that have any process, also one that is on its way out."""
    return frozenset(one.kind.split()[0] for one in family(root) if one.kind.startswith(FUNCTION))


def watch(product: Product, span_s: float, every_s: float, say: Callable[[str], None]) -> list[Sample]:
    """Raises AssertionError where the product ends meanwhile."""
    began = time.monotonic()
    samples: list[Sample] = []
    while (at_s := time.monotonic() - began) < span_s:
        assert product.is_alive(), product.output()
        running = functions_running(product.pid)
        if not samples or running != samples[-1].running:
            say(f"running: {', '.join(sorted(running)) or 'nothing'}")
        samples.append(Sample(at_s, running))
        time.sleep(every_s)
    return samples


def least_at_zero_s(samples: Sequence[Sample], window_s: float) -> Mapping[str, float]:
    """For each function that ran at all, its shortest time at zero in any window of that length.

    Windows begin at samples and lie within them as a whole. Raises ValueError where none does.
    """
    if samples[-1].at_s - samples[0].at_s < window_s:
        raise ValueError(f"the samples span less than {window_s} s")
    names = frozenset().union(*(sample.running for sample in samples))
    return {name: _least(samples, window_s, name) for name in sorted(names)}


def _least(samples: Sequence[Sample], window_s: float, name: str) -> float:
    """Two ends of a window move over the samples; between them the time at zero is added up."""
    least, zero_s, last = window_s, 0.0, 0
    spans = [(end.at_s - begin.at_s) * (name not in begin.running) for begin, end in pairwise(samples)]
    for first, sample in enumerate(samples):
        while last < len(spans) and samples[last].at_s < sample.at_s + window_s:
            zero_s += spans[last]
            last += 1
        if samples[last].at_s < sample.at_s + window_s:
            break
        # The last span may reach beyond the window; to count it would be kind to us.
        beyond_s = samples[last].at_s - (sample.at_s + window_s)
        least = min(least, zero_s - min(beyond_s, spans[last - 1]))
        zero_s -= spans[first]
    return least
