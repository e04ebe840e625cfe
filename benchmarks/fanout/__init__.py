"""What a message to many clients costs: Natter, other chats and the kernel's floor, under the same load."""
