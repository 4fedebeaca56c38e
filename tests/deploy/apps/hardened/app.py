"""A job on a hardened environment, and the resources that it requires of its user."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import AlgorithmScript, Device, HybridJob, HybridJobEnvironment

app = App()
stack = Stack(app, "Hardened")
boundary = iam.ManagedPolicy(
    stack, "Boundary", statements=[iam.PolicyStatement(actions=["*"], resources=["*"])]
)
copies = s3.Bucket(
    stack,
    "Copies",
    versioned=True,
    encryption_key=kms.Key(stack, "CopiesKey", removal_policy=RemovalPolicy.DESTROY),
    auto_delete_objects=True,
    removal_policy=RemovalPolicy.DESTROY,
)
environment = HybridJobEnvironment.hardened(
    stack,
    "Environment",
    # On AWS it would have a way out, or endpoints of the services that the handler calls.
    vpc=ec2.Vpc(
        stack,
        "Vpc",
        max_azs=2,
        nat_gateways=0,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="Inner", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        ],
    ),
    vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
    access_logs_bucket=s3.Bucket(
        stack, "Logs", auto_delete_objects=True, removal_policy=RemovalPolicy.DESTROY
    ),
    replication_bucket=copies,
    permissions_boundary=boundary,
    removal_policy=RemovalPolicy.DESTROY,
)
job = HybridJob(
    stack,
    "Vqe",
    environment=environment,
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parents[1] / "running" / "obeying.py"), entry_point="obeying:main"
    ),
    device=Device.local("braket/default"),
    hyperparameters={"does": "finish", "seed": 5, "note": "planted-canary-e90b"},
    max_runtime=Duration.minutes(10),
)
CfnOutput(stack, "JobArn", value=job.job_arn)
CfnOutput(stack, "ResultsS3Uri", value=job.results_s3_uri)
CfnOutput(stack, "ResultsBucket", value=environment.results_bucket.bucket_name)
app.synth()
