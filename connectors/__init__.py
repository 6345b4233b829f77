"""Connectors: each speaks one protocol to a target, as a generator of HTTP exchanges.

Start with `connector` (the contract) and `errors` (what went wrong, by what to do next). A connector never opens a
connection: it yields requests and receives replies; `http` is the only room that sends. `catalog` lists the connectors.
"""
