"""The bundled skills."""
