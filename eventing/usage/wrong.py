"""What is wrong with one value; whoever holds the value knows where it stands."""


class Wrong(Exception):
    """The value is refused; the text says what it must be."""
