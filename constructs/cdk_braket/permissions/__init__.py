"""IAM statements, and the ways in which they are attached to roles.

Code belongs here if it decides which actions a role needs, or grants access to a user's own
principals. Resources that carry policies belong to `environment` and `jobs`. Start at
`statements`; docs/reference/permissions.md lists every statement with the test that needs it.
"""
