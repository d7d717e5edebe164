"""The event-driven chatbot engine."""
