"""What an event is, where it comes from, and how it travels."""
