"""What every KEA service shares."""
