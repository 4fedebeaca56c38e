"""AWS CDK constructs that deploy Amazon Braket hybrid jobs."""
