"""What the bucket costs: prices, what lies in it, what its rules make of that, and the bill."""
