"""The values that describe a job, and the CreateJob request that is built from them.

Code belongs here if it represents an option of CreateJob without creating a resource. Checks of
options belong to `validation`. Start at `create_job.render`, which maps options to members of the
API, and `create_job.place`, which adds the locations. Each value class has a module with its name.
"""
