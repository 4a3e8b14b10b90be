"""The pages that analysts and partners work in."""
