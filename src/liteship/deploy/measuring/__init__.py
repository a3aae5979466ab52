"""What a function needs and costs: the measured gate, prices, memory sizes."""
