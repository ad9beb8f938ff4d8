"""What several endpoints do with jobs: find, enqueue, end."""
