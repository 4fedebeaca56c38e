#!/bin/sh
# The checks of every commit. They run in the same way on your machine.
set -eu
python -m pytest
# Fails if the deployment fails or a job does not complete.
cdk-braket-local run -- npx cdk deploy --all --require-approval=never
