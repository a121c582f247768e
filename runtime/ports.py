"""TCP ports of this machine."""

import socket


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody accepts connections on it. Raises OSError where nobody does."""
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def some_free(number: int, taken: frozenset[int]) -> list[int]:
    """Ports that are free now and differ from each other and from those `taken`."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in taken and port not in found:
            found.append(port)
    return found
