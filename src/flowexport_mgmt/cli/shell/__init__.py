"""The interactive side: a line editor with completion, help, history and a prompt that counts."""
