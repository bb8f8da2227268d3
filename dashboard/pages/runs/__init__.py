"""The Runs page. What its link says is also what the exports of runs read."""
