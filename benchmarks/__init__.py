"""Measurements. They print tables; tests never look at a clock."""
