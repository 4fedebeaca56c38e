"""Starts, keeps and stops a local AWS from the outside: the side of the user's commands.

Code belongs here if it runs in the user's process and controls the server's. The server itself
belongs to `server`, which nothing here imports. Start at `instance.LocalAws`.
"""
