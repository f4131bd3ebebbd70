package commit

// Queued returns the number of calls that wait for a group.
func (c *Committer) Queued() int { return len(c.queue) }
