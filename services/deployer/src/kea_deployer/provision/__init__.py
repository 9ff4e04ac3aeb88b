"""What every platform and every build needs: archives, uv, and what the runtime says of itself."""
