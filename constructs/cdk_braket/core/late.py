"""Dependencies on constructs that may be declared later."""

from collections.abc import Callable, Sequence

import jsii
from constructs import Construct, Dependable, IConstruct


class LateDependency(Construct):
    """Stands for constructs that are looked up when the app is synthesized."""

    def __init__(
        self, scope: Construct, id: str, roots: Callable[[], Sequence[IConstruct]]
    ) -> None:
        """Create the stand-in. It has no resource.

        Args:
            scope: The scope.
            id: The id in the scope.
            roots: Looks the constructs up.
        """
        super().__init__(scope, id)
        Dependable.implement(self, _Roots(roots))


class _Roots(Dependable):
    def __init__(self, roots: Callable[[], Sequence[IConstruct]]) -> None:
        super().__init__()
        self._found = roots

    @property
    @jsii.member(jsii_name="dependencyRoots")
    def dependency_roots(self) -> list[IConstruct]:
        return list(self._found())
