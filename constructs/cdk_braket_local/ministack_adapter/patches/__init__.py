"""Differences between MiniStack and AWS, each closed by one module.

A module belongs here if it changes one behavior of MiniStack, and names the source of AWS that it
follows. Names of MiniStack that a patch uses are listed in `ministack_adapter.names` and checked
at start. Start at `ministack_adapter.application`, which installs all patches.
"""
