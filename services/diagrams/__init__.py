"""Lifecycles drawn: as text (Mermaid, dot, tables) and as SVG."""
