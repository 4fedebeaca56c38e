"""The Lambda function of a dashboard's table of jobs.

Code belongs here if it renders the state of jobs for people. It shares the asset with the handler
to be deployed with it, and imports only `api` and `contract`. Start at `index.handler`.
"""
