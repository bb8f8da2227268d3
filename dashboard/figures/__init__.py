"""Figures: pure functions of typed data to plotly figures. They import neither dash nor storage."""
