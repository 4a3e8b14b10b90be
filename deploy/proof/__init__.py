"""Proves on real logs that nothing is lost, doubled or judged differently, kills included."""
