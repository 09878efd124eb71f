"""Two commands at once, in every pair, on real servers: ``make drill-pairs``."""
