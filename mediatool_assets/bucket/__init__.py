"""The configuration of the bucket: its declaration, AWS's rules, and the live bucket."""
