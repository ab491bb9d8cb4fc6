"""The proxy-tuned ensemble behind an OpenAI-compatible endpoint on Ray Serve."""
