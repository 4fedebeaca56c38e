"""How long tests wait for something: a slow machine makes them slow, not red."""

from typing import Final

PATIENCE: Final = 900.0
"""Seconds. It ends only the wait for something that never comes."""
