"""What images hold: their formats, their verification on the way, their conversion to blocks."""
