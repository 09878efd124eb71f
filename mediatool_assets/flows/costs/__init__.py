"""What the bucket costs: an inventory is taken, kept by day, and reckoned; reports for people."""
