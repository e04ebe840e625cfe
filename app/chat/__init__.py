"""The chat, pure: no await, no clock, no socket. It imports the standard library and itself."""
