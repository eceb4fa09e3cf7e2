"""Find pictures by describing them in any language, or by showing another picture."""

__version__ = "0.1.0"
