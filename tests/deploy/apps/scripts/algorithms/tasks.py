"""Runs one task after another on the job's device, and logs a metric for each."""

import os

from braket.aws import AwsDevice
from braket.circuits import Circuit, Observable
from braket.jobs import get_job_device_arn, save_job_result
from braket.jobs.metrics import log_metric


def main(steps: int):
    device = AwsDevice(get_job_device_arn())
    values = []
    for number in range(steps):
        circuit = Circuit().rx(0, 0.5 * number).expectation(Observable.Z(), target=0)
        task = device.run(circuit, shots=0, poll_interval_seconds=0.2)
        values.append(float(task.result().values[0]))
        log_metric("expectation", values[-1], iteration_number=number)
    save_job_result({"values": values, "job": os.environ["AMZN_BRAKET_JOB_NAME"]})
