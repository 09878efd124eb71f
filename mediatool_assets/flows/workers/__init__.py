"""Work in many processes: the pool or cluster, its tasks, and their results."""
