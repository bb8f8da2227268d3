"""How the shipped toxicity classifier was made and measured; needs the extra `train` and data the user has."""
