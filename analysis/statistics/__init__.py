"""Statistics over stored runs: intervals, effects, calibration, agreement. numpy only, no model."""
