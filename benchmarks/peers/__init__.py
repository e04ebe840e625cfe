"""Other chats to compare with: each listens on PORT, and sends what one client says at `/chat` to all. No more."""
