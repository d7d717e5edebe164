"""One file per platform, and what they share: the byte reader, HTTP, the limiter."""
