"""Values and rules: pure, with no driver and no clock."""
