"""The chat's rules and formats. Pure: no await, no clock, no I/O."""
