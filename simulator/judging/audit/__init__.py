"""Labels by people: which conversations are drawn for them, and what they said."""
