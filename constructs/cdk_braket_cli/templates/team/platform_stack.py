"""The stack of the platform team: buckets, key, role and handler for the jobs of all teams."""

from aws_cdk import Stack
from constructs import Construct

from cdk_braket import ContainerImage, Device, HybridJobEnvironment

PARAMETER = "/PROJECT/jobs"


class PlatformStack(Stack):
    """An environment, and a parameter with the names of its resources."""

    def __init__(self, scope: Construct, id: str) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
        """
        super().__init__(scope, id)
        environment = HybridJobEnvironment(self, "Environment")
        # Another app cannot change the role of this one. So allow here what its jobs use.
        environment.allow_image(ContainerImage.base())
        environment.allow_device(Device.AMAZON_SV1)
        environment.publish(PARAMETER)
