"""The routing information base: routes that BGP and BMP tell, and the best of them in memory."""
