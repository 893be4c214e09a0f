"""What a technician does per product class: data, training, thresholds, evaluation."""
