"""The desk's model against days of the operation's own history."""
