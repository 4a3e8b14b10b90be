"""Three staged attacks, step by step as they would stand in the logs."""
