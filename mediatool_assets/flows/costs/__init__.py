"""The costs of the bucket: the inventory is taken, stored by day, and priced."""
