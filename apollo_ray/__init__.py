"""Apollo Ray: medical, many-language language models on Ray, from raw text to a proxy-tuned endpoint."""

__version__ = "0.1.0"
