"""What a hybrid job is to be, without running it at deployment."""

from collections.abc import Collection, Mapping
from typing import Literal

import jsii
from aws_cdk import Duration, ITaggableV2, RemovalPolicy, Resource
from aws_cdk import aws_iam as iam
from constructs import Construct

from ._definition import Arguments, Defined, Definition, prepare
from ._preflight import PreflightCheck
from ._request import Hyperparameter
from .algorithm_script import AlgorithmScript
from .checkpoint_source import CheckpointSource
from .container_image import ContainerImage
from .device import Device
from .hybrid_job_environment import IHybridJobEnvironment
from .input_channel import InputChannel
from .job_options import Checkpoint, Distribution, InstanceConfig, OutputData


@jsii.implements(ITaggableV2, iam.IGrantable)
class HybridJobDefinition(Defined, Resource):
    """A hybrid job that a deployment defines and does not run.

    A deployment puts everything in place that the job needs: scripts, inputs, roles, permissions.
    What is wrong with the job is said at synth, as of a `HybridJob`, which is a definition that the
    deployment runs.

    Example:
        >>> from aws_cdk import App, Duration, Stack
        >>> from cdk_braket import AlgorithmScript, Device, HybridJobDefinition
        >>> definition = HybridJobDefinition(
        ...     Stack(App(), "Chemistry"),
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     device=Device.local("braket/default"),
        ...     max_runtime=Duration.minutes(10),
        ... )
        >>> definition.results_prefix
        'jobs/Chemistry-Vqe/'
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        device: Device,
        algorithm: AlgorithmScript | None = None,
        image: ContainerImage | None = None,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
        input_data: Mapping[str, InputChannel] | None = None,
        output_data: OutputData | None = None,
        checkpoint: Checkpoint | None = None,
        copy_checkpoints_from: CheckpointSource | None = None,
        instance: InstanceConfig | None = None,
        distribution: Distribution | Literal["data_parallel"] | None = None,
        max_runtime: Duration | None = None,
        job_name: str | None = None,
        reservation_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        role: iam.IRole | None = None,
        environment: IHybridJobEnvironment | None = None,
        isolated: bool = False,
        removal_policy: RemovalPolicy | None = None,
        disabled_checks: Collection[PreflightCheck] = (),
    ) -> None:
        """Declare what a hybrid job is to be.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The device that the jobs have priority on. Jobs run in their device's region.
            algorithm: The script. Default: none, and then `image` is what runs.
            image: The container. Default: Braket's base image for a script.
            hyperparameters: What the script is called with, as for `HybridJob`. Default: none.
            input_data: Input channels by name. Default: none.
            output_data: Where the results go. Default: `jobs/<job name>/<run id>/data` in the
                environment's results bucket.
            checkpoint: Where checkpoints are kept. Default: the Braket SDK's folder, and
                `jobs/<job name>/<run id>/checkpoints` in the environment's results bucket.
            copy_checkpoints_from: Checkpoints that each job goes on from. Default: none.
            instance: What the script runs on. Default: the Braket SDK's, one ml.m5.large.
            distribution: How the script is spread over the instances: `Distribution.DATA_PARALLEL`
                or its text. Default: it is not.
            max_runtime: How long a job may run; the API bounds it. Default: the service's.
            job_name: A label; it needs not be unique. Default: the end of the construct's path and
                an id of the run.
            reservation_arn: ARN of a reservation of the device. Default: none.
            tags: The jobs' tags, besides those of the stack. Default: none.
            role: The execution role, as for `HybridJob`. Default: the environment's.
            environment: What the jobs stand on, shared with others. Default: one of their own.
            isolated: Whether the jobs have a role of their own in their environment, which reaches
                their own inputs, results and checkpoints alone. Default: they share it.
            removal_policy: What happens to buckets, key and logs when the definition leaves the
                stack, as for `HybridJob`. Default: RETAIN.
            disabled_checks: Checks of the script that are turned off. Default: none.

        Raises:
            ValidationError: The service would refuse the job, or the script would fail in the
                container. Everything that is wrong is said at once, and nothing was created.
        """
        arguments = Arguments(
            device=device,
            algorithm=algorithm,
            image=image,
            hyperparameters=hyperparameters,
            input_data=input_data,
            output_data=output_data,
            checkpoint=checkpoint,
            copy_checkpoints_from=copy_checkpoints_from,
            instance=instance,
            distribution=distribution,
            max_runtime=max_runtime,
            job_name=job_name,
            reservation_arn=reservation_arn,
            tags=tags,
            role=role,
            environment=environment,
            isolated=isolated,
            removal_policy=removal_policy,
            disabled_checks=disabled_checks,
        )
        prepared = prepare(scope, id, arguments)
        super().__init__(scope, id)
        self._definition = Definition(self, prepared)
