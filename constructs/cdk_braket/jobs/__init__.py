"""The constructs of hybrid jobs: jobs, definitions, imported jobs, dashboards, workflows.

Code belongs here if it declares a job, or connects one to a state machine or a schedule. Buckets,
keys, roles and the function that many jobs share belong to `environment`. Start at
`hybrid_job.HybridJob`; `binding` connects a job's options to its environment.
"""
