"""Work on many processes: the pool or cluster, its tasks, and where they leave what they make."""
