"""A versioned, verified copy of a PostgreSQL database every day: to S3, to MongoDB, and back."""
