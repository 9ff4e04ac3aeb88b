"""What the registry decides, without any transport or database."""
