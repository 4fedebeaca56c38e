"""Templates whose handler stops early when a test denies its calls on purpose."""

from typing import Any

SECONDS = 60
"""The handler's time-out. By default it retries denied calls for two minutes."""


def shorten(template: dict[str, Any]) -> None:
    """Give the handler of a template a short time-out."""
    [properties] = [
        resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function" and name.startswith("BraketHybridJobHandler")
    ]
    properties["Timeout"] = SECONDS
