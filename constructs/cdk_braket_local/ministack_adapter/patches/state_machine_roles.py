"""The permissions of a state machine's role for the functions that its states invoke.

MiniStack invokes them without the role.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/lambda-iam.html
"""

from ministack.services import lambda_svc, stepfunctions

from cdk_braket_local.ministack_adapter import state_machines


def install() -> None:
    """Have MiniStack's Step Functions invoke functions as the role."""
    call, run = stepfunctions._call_lambda, stepfunctions._run_execution

    def call_as_role(func_ref: str, event: object) -> object:
        _, config, _ = lambda_svc._get_func_record_for_ref(func_ref)
        if config:
            state_machines.check("lambda:InvokeFunction", str(config["FunctionArn"]))
        return call(func_ref, event)

    def run_noting(exec_arn: str) -> None:
        state_machines.current.set(stepfunctions._executions.get(exec_arn))
        run(exec_arn)

    stepfunctions._call_lambda = call_as_role
    stepfunctions._run_execution = run_noting
