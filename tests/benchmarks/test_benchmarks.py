"""Every question of `./dev bench` can be measured, and the page shows the figures of its file.

Counts and bytes are compared with their goals here. Times depend on the machine.
"""

import json

import pytest

from benchmarks import main, page
from benchmarks.figures import OURS, Figures
from benchmarks.questions import template
from benchmarks.stacks import ours
from benchmarks.stacks import template as template_of
from tests import length

CHEAP = ("template", "packing", "handler")
DEAR = [name for name in main.QUESTIONS if name not in CHEAP]


@pytest.mark.parametrize("name", length.first(len(CHEAP), [*CHEAP, *DEAR]))
def test_a_question_can_be_measured(name: str) -> None:
    assert main.main(["--small", name]) == 0


def test_the_page_shows_the_figures() -> None:
    document = json.loads(main.RESULTS.read_text(encoding="utf-8"))
    assert set(document["questions"]) <= set(main.QUESTIONS)
    assert page.tables(document) in page.PAGE.read_text(encoding="utf-8")


def test_a_further_job_is_one_resource() -> None:
    one, eleven = (len(template_of(ours, jobs)["Resources"]) for jobs in (1, 11))
    assert eleven - one == 10


@pytest.mark.parametrize(
    ("ours_at", "peers_at", "worst"),
    [
        ({"1": 2.0}, {"1": 4.0}, 0.5),
        ({"1": 2.0, "9": 6.0}, {"1": 4.0, "9": 3.0}, 2.0),
        ({"1": 2.0, "9": 6.0}, {"1": 4.0}, 0.5),
        ({"1": 2.0}, {"9": 3.0}, None),
    ],
)
def test_the_worst_ratio_is_that_of_a_size_that_both_have(
    ours_at: dict[str, float], peers_at: dict[str, float], worst: float | None
) -> None:
    figures = Figures("?", "s", "jobs", {OURS: ours_at, "peer": peers_at}, "goal", 1.0)
    assert figures.worst() == worst
    assert figures.is_met() == (None if worst is None else worst <= 1)


def test_the_best_peer_counts_unless_one_is_named() -> None:
    values = {OURS: {"1": 6.0}, "slow": {"1": 6.0}, "fast": {"1": 2.0}}
    assert Figures("?", "s", "jobs", values, "goal", 1.0).worst() == 3
    assert Figures("?", "s", "jobs", values, "goal", 1.0, "slow").worst() == 1


def test_without_a_peer_the_highest_value_counts() -> None:
    assert Figures("?", "s", "jobs", {OURS: {"1": 0.5, "2": 3.0}}, "goal", 2.0).worst() == 3


def test_sizes_are_those_of_the_documents() -> None:
    resources, kilobytes = template.measure(small=True)
    document = template_of(ours, 1)
    assert resources.values[OURS]["1"] == len(document["Resources"])
    size = len(json.dumps(document, separators=(",", ":")))
    assert abs(kilobytes.values[OURS]["1"] - size / 1000) < 0.1
