"""What the Methods page and its downloads share: the state of the link, the comparison, the SQL behind it."""
