"""The costs of the bucket: prices, inventory, lifecycle, and the bill."""
