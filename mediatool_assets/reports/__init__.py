"""Reports: the daily metrics comparison, and the site of all reports."""
