"""The values that a user describes a job with, and the CreateJob request that they become.

Code belongs here if it represents an option of CreateJob without creating a resource of its own
accord. Checks of options belong to `validation`. Start at `create_job.build`, which maps options
to members of the API; each value class has a module of its own name.
"""
