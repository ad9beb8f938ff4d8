"""What pages show of one noun each, made of what the API answers: no request, no template."""
