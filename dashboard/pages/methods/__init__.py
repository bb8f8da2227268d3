"""The Methods page. Its comparison and its SQL are also what its downloads read."""
