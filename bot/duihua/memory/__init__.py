"""What is kept in view and what is kept at all: decides, no SQL."""
