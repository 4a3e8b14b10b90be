"""How citysoc is put together and run; nothing imports it."""
