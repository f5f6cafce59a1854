"""Generated scenes of handwritten digits, and questions about them."""
