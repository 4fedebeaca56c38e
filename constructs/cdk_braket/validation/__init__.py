"""Every check that runs before a construct is created, and the texts of its messages.

Code belongs here if it finds mistakes in arguments, options, scripts or buckets. Rules that come
from the service model belong to the asset's `api`, which the handler shares. Start at
`checks.check`; `preflight` reads a job's script.
"""
