"""Frame preparation, the model, the anomaly map, the scoring graph, the bundle and the runtimes."""
