"""What a reply commits the company to, and whether the policy lets it."""
