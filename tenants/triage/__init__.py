"""The queue: what people work on, and what they decided."""
