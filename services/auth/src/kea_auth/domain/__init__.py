"""What auth decides, without any transport or database."""
