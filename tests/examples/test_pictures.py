"""The pictures of pages and examples are those that their records give."""

import pytest

from examples import pictures, recordings


@pytest.mark.parametrize("path", pictures.all_pictures(), ids=str)
def test_a_picture_is_current(path: object) -> None:
    draw = {str(each): draw for each, draw in pictures.all_pictures().items()}[str(path)]
    drawn = (pictures.ROOT / str(path)).read_text(encoding="utf-8")
    assert draw() == drawn, "run `./dev pictures`"
    assert "http://" not in drawn.replace("http://www.w3.org/", "").replace(
        "http://purl.org/", ""
    ).replace("http://creativecommons.org/", "")
    assert "url(http" not in drawn


@pytest.mark.parametrize("name", recordings.EXAMPLES)
def test_the_record_of_an_example_is_of_its_script_and_settings(name: str) -> None:
    recorded = recordings.read()[name]
    assert recorded["sources"] == recordings.digest(name), f"run `./dev pictures --record {name}`"
    assert len(recorded["points"]) > 3


@pytest.mark.parametrize("arguments", [["--record"], ["--record", "none"], ["x"]])
def test_unknown_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert pictures.main(arguments) == 2
    assert "pictures accepts --record NAME" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("name", ["job", "vqe"])
def test_another_run_gives_the_recorded_values(name: str) -> None:
    recorded = [tuple(point) for point in recordings.read()[name]["points"]]
    assert recordings._run(name) == pytest.approx(recorded, abs=1e-6)
