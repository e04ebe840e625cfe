"""Other chats, to measure beside ours: each tells everybody what one says, at ws path /chat of PORT, and no more."""
