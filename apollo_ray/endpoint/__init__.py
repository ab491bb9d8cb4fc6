"""Talking to an OpenAI-compatible endpoint: its client, what proves it fit, and a conversation. Imports no stage."""
