"""Facts of the Amazon Braket API, for synth, the handler and the local AWS alike.

A rule belongs here if the service enforces it. `service_model` opens botocore's model,
`model_rules` checks a request against it, and `service_rules` holds the few rules that the model
does not state. Nothing here calls AWS. Start at `model_rules`.
"""
