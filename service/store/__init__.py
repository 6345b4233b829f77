"""The only room that knows SQLAlchemy: what is true, in tables.

`database` opens it, `models` says what each row is, `secrets` seals, `transitions` are the state changes of a
delivery, `ledger` reads them back; the other files hold the queries of one topic each.
"""
