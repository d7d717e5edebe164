"""Functions that models may call: contract, schema, registry, runner."""
