"""The version of the package; its one place in Python."""

__version__ = "0.1.0"
