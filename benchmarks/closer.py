"""python -m benchmarks.closer: closes all that is due, by ticks as long as the product's."""

from time import monotonic

from functions import bootstrap
from shared.service.sweep import SWEEP_LIMIT_S


def main() -> None:
    closing = bootstrap.invoicing().closing
    while closing.run(monotonic() + SWEEP_LIMIT_S).more:
        pass


if __name__ == "__main__":
    main()
