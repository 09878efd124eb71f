"""Parts of the reports for people: one HTML file without network, and Markdown."""
