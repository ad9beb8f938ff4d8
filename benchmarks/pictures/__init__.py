"""Pictures of what was measured: plain SVG, readable on light and dark pages."""
