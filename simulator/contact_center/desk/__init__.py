"""What happens at the desk: the rules once, and two engines that run them."""
