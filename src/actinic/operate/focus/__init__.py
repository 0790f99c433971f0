"""Focus and dose of fields from line widths: the imaging model inverted, what to correct, what to measure."""
