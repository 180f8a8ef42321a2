"""What each figure shows, without drawing it."""
