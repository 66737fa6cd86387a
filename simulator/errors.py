"""Errors that a user can act on.

Every message says where, what was found, what is allowed, and the fix:
``pilot.toml: contact_center.teams[0].shrinkage = 30; expected 0 <= x < 1; write 0.30``.
Only ``simulator.cli`` turns them into an exit code.
"""


class ShadowdeskError(Exception):
    """Base of the errors that are the user's to mend. The command line exits with 2."""


class ScenarioError(ShadowdeskError):
    """A scenario file has a fault. Several faults stand one a line."""


class HistoryError(ShadowdeskError):
    """A history cannot be read at all (single bad rows are quarantined instead)."""


class TableError(ShadowdeskError):
    """A table does not keep its contract (see ``simulator.tables``)."""


class RunError(ShadowdeskError):
    """A run folder cannot be used: not there, not writable, not made by shadowdesk."""


class UnstableQueueError(ShadowdeskError):
    """A queue without abandonment is offered more than its agents can ever work off."""


class EngineError(ShadowdeskError):
    """The two engines of the desk do not give the same: a fault of shadowdesk itself."""


class BackendError(ShadowdeskError):
    """A language model cannot be loaded or reached. What was answered before is kept."""
