"""Worker processes of one machine: started by exec, watched through pipes, replaced, recycled, rolled; no database needed."""
