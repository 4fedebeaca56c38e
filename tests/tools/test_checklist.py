"""`./dev release --walk` goes through the steps of the page."""

from collections.abc import Iterator

from tools import checklist


def walked(answers: Iterator[str], first: int = 1) -> tuple[int, list[str]]:
    shown: list[str] = []
    code = checklist.walk(first, lambda _question: next(answers), shown.append)
    return code, shown


def test_every_step_of_the_page_is_shown() -> None:
    page = checklist.PAGE.read_text(encoding="utf-8")
    found = checklist.steps(page)
    assert len(found) == sum(line[:1].isdigit() for line in page.splitlines())
    code, shown = walked(iter(["y"] * len(found)))
    assert code == 0
    assert [line for line in shown if line.startswith(f"\n[{len(found)}/{len(found)}] After")]
    assert "    ./dev check" in shown


def test_it_stops_at_a_step_that_is_not_done_and_continues_there() -> None:
    code, shown = walked(iter(["y", "?", "q"]))
    assert code == 1
    assert shown[-1] == "Continue with ./dev release --walk 2"
    _, again = walked(iter(["q"]), first=2)
    assert again[0].startswith("\n[2/")


def test_the_commands_of_a_step_run_until_one_fails() -> None:
    step = checklist.Step("Before", "words", ("sh -c 'exit 3'", "false"))
    answers, shown = iter(["r", "y"]), list[str]()
    assert checklist._is_done(step, lambda _question: next(answers), shown.append)
    assert shown == ["sh -c 'exit 3': exit code 3"]
