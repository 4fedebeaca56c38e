"""The resources that many hybrid jobs share: buckets, key, execution role, logs and handler.

Code belongs here if it declares one of these resources or imports it from another app. Resources of
a single job belong to `jobs`. Start at `hybrid_job_environment.HybridJobEnvironment`;
`handler_function` declares the Lambda function and its role.
"""
