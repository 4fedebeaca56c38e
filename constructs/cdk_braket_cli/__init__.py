"""The command `cdk-braket`: hybrid jobs on AWS or in a local AWS, from a terminal.

It reads and controls jobs through `cdk_braket_client`, and imports no construct and nothing of the
local AWS. Each command is a module of `commands`. Start at `main`, then `command`, which gives all
commands their common options.
"""
