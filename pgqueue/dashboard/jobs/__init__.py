"""What the pages about one job show: its timeline, its values as trees, sentences, forms of arguments."""
