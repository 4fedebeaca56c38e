"""Executes a notebook with papermill, with the hyperparameters as its parameters."""

import json
import os
from pathlib import Path

import papermill
from braket.jobs import save_job_result

FOLDER = Path(__file__).parent


def main():
    parameters = json.loads(Path(os.environ["AMZN_BRAKET_HP_FILE"]).read_text())
    results = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    given = {name: float(text) for name, text in parameters.items()}
    executed = str(results / "executed.ipynb")
    papermill.execute_notebook(str(FOLDER / "rotation.ipynb"), executed, given)
    save_job_result(json.loads((results / "expectation.json").read_text()))
