"""Handlers of custom resources: `python -m benchmarks.handlers MODULE EVENT` runs one of them."""
