"""What no rule describes: what is unusual for a tenant's own hosts, users and addresses."""
