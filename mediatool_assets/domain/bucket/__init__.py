"""What the bucket must be: one declaration, AWS's rules about it, and how a live bucket differs."""
