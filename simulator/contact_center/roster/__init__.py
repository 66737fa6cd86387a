"""Who is at work when, and when the desk is open."""
