"""The costs of the bucket: takes its inventory, stores it by day, and prices it."""
