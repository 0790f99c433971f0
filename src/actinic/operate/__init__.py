"""The machine in operation: calibration to gauges, overlay, sampling, control. Each folder is imported for itself."""
