"""Three demo tenants, their ordinary days and three staged attacks."""
