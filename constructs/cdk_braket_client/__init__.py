"""Reads and controls deployed hybrid jobs through boto3, on AWS and in the local AWS alike.

The command line and the local AWS share this code. It imports no construct, no server and no
library for terminals: it returns data and lines. Start at `job_reference`, which finds a job, and
`job_log`, which reads its log.
"""
