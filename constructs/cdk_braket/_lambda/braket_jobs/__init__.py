"""The handler of `Custom::BraketHybridJob`: standard library and the runtime's boto3 only."""
