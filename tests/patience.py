"""The time that tests wait for a condition: on a slow machine they are slow, not red."""

from typing import Final

PATIENCE: Final = 900.0
"""Seconds. It ends only the wait for something that never comes."""
