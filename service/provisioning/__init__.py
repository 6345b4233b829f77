"""From an accepted request to an outcome at every target.

`outbound` accepts: request, entity and deliveries in one transaction. `gate` is the one place that asks the policy.
`lanes` drains lanes with leased workers; `courier` makes one attempt: decide, build, journal, send, record. `tasks`
says what a connector is given, `retry` what an error leads to, `mapping` and `roles` what leaves under which name.
"""
