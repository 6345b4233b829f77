"""Sluice: provisions users and groups outward, and lets nothing out that its policy does not permit.

The way of a request: `web` takes it in, `provisioning.outbound` stores it with its deliveries, `pep` asks `pdp` with
what `pip` describes, a connector builds the exchanges, `provisioning.courier` journals and sends them, `store` records.
`app` puts the rooms together.
"""
