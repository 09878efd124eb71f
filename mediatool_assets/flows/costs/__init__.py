"""What the bucket costs: an inventory is taken, stored by day, and priced; reports for people."""
