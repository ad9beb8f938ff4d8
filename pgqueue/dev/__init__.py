"""`pgqueue dev`: a worker that starts again with each change of a file, and the dashboard, in one terminal."""
