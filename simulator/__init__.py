"""shadowdesk: an offline shadow-mode replay simulator for customer service.

Rooms, in the order in which data flows: ``history`` (what happened), ``replay`` and
``candidates`` (what a model would have decided), ``judging`` (what that means), ``rollout``
(who handles a turn, and what follows), ``contact_center`` (what it does to the human desk),
``economics``, ``gates`` and ``reports``. ``pipeline`` alone knows the order. The contracts
between them are the tables in ``tables``.
"""

__version__ = "0.1.0"
