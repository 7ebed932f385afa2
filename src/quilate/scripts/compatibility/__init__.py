"""The source documents' own API of scripts: ``/api/scripts``, ``/api/executions``, ``/api/Processing`` (A04)."""
