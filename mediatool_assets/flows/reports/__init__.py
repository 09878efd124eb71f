"""Reports: as one self-contained HTML file, as Markdown, and stored by day in the bucket."""
