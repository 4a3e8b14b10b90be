"""How records travel between the stages: one contract, an adapter a broker."""
