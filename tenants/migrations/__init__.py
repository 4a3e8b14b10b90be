"""How the tables came to be, step by step; tenants.database runs what is missing."""
