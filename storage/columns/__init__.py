"""Between typed results and the columns that hold them, both ways. No SQL here."""
