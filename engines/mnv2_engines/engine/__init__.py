"""An engine file and what describes it: manifest, facts, sidecar, installation and references."""
