"""Event rules, metrics and alarms of hybrid jobs, as mixins that the constructs inherit.

Code belongs here if it reports a job's state after its start. Dashboards are separate constructs
and belong to `jobs`. Start at `events.Events` for rules and the replay of missed events, and at
`metrics.Alarms` for alarms.
"""
