"""pgqueue where a part of POSIX is missing."""
