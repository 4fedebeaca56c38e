"""A job, and users who may do one thing each."""

from pathlib import Path

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from cdk_braket import AlgorithmScript, Device, HybridJob, HybridJobEnvironment, InputChannel

app = App()
stack = Stack(app, "Granting")
environment = HybridJobEnvironment(stack, "Environment", removal_policy=RemovalPolicy.DESTROY)
data = s3.Bucket.from_bucket_name(stack, "Data", "amazon-braket-granting-data")
job = HybridJob(
    stack,
    "Job",
    environment=environment,
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parent / "saying.py"), entry_point="saying:main"
    ),
    input_data={"data": InputChannel.from_bucket(data, "given/")},
    device=Device.local("braket/default"),
    hyperparameters={"text": "granted", "note": "planted-canary-58d4"},
)
grants = {
    "Results": job.grant_read_results,
    "Input": job.grant_write_input,
    "Cancel": job.grant_cancel,
    "Read": job.grant_read,
    "Create": environment.grant_create_job,
    "ReadJobs": environment.grant_read_jobs,
    "CancelJobs": environment.grant_cancel_jobs,
}
for name, grant in grants.items():
    user = iam.User(stack, name)
    grant(user)
    CfnOutput(stack, f"{name}User", value=user.user_name)
CfnOutput(stack, "JobArn", value=job.job_arn)
CfnOutput(stack, "JobName", value=job.job_name)
CfnOutput(stack, "ResultsS3Uri", value=job.results_s3_uri)
CfnOutput(stack, "InputsBucket", value=environment.inputs_bucket.bucket_name)
CfnOutput(stack, "ResultsBucket", value=environment.results_bucket.bucket_name)
CfnOutput(stack, "RoleArn", value=environment.role.role_arn)
app.synth()
