"""Ground floor: the types every stage speaks, and the ports they meet at. Imports nothing of ours."""
