"""Reports for people: one HTML file without network, Markdown, and those of a day in the bucket."""
