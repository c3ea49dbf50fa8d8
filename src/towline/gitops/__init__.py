"""The configuration folder follows a repository: one tree per commit, checked before it is used."""
