"""The diagram of a run's states in the decision record is that of the handler's table."""

from pathlib import Path

from tools.state_diagram import state_diagram

PAGE = Path(__file__).parents[2] / "docs" / "adr" / "0004-one-job-per-definition.md"


def test_the_decision_record_shows_the_table_that_the_handler_uses() -> None:
    assert state_diagram() in PAGE.read_text(encoding="utf-8"), (
        "Print it with .venv/bin/python -m tools.state_diagram"
    )
