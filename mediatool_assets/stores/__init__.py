"""Technologies: PostgreSQL, S3, MongoDB and the local servers; they know no flow."""
