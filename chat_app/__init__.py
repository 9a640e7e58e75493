"""The runtime of a box: reads a mind and lets it talk, with numpy alone."""

__version__ = "0.1.0"
