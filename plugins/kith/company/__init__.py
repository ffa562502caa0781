"""What a company declares in its folder, read and checked."""
