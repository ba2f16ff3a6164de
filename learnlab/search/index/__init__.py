"""What search keeps beside the texts: vectors, words, and the backlog of texts that have none yet."""
