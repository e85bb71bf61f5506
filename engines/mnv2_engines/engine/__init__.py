"""An engine file and its papers: manifest, facts, sidecar, how it is installed and referred to."""
