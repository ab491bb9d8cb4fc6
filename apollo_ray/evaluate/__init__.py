"""Evaluate: models behind an OpenAI-compatible endpoint, over HTTP, per language, with every answer kept."""
