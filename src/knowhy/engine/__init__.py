"""The engine: pure functions from state to beliefs and decisions. No I/O, no clock; randomness is passed in."""
