"""Who may see what, and what is done about an alert."""
