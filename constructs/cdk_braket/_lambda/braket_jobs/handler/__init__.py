"""The Lambda function behind `Custom::BraketHybridJob`: starts, tags, finds and cancels jobs.

One module is one step and is named after it: `create_job`, `find_job`, `cancel_job`, `tag_job`,
`wait_for_job`. Decisions belong to `lifecycle`, calls to AWS to `aws_gateway`, and retries to
`retries`. Start at `index.handler`, then read `lifecycle`.
"""
