package sqldb

import (
	"errors"
	"fmt"
	"sync"
	"time"

	direct "zombiezen.com/go/sqlite"
)

const (
	checkpointEvery = 50 * time.Millisecond
	checkpointFrom  = 8192  // pages of the log that are worth a round: 32 MB
	checkpointTail  = 1024  // pages that the writer may wait for
	checkpointForce = 65536 // pages at which the writer moves the log itself: the rounds beside it don't keep up
	checkpointTries = 4
)

// checkpointer moves the write-ahead log into the database file beside the writer, which would stand still for as
// long as the pages are written and synced: tenths of a second, and seconds where the file is large. Only for the last
// pages it takes the writer's turn: the log starts again from its beginning when all of it has been moved.
type checkpointer struct {
	turn *sync.Mutex
	conn *direct.Conn
	stop chan struct{}
	done chan struct{}
}

func startCheckpointer(file string, turn *sync.Mutex) (*checkpointer, error) {
	conn, err := direct.OpenConn(file, direct.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	c := &checkpointer{turn: turn, conn: conn, stop: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c, nil
}

func (c *checkpointer) run() {
	defer close(c.done)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			// What can't be moved now, for a reader's sake or the disk's, is tried again; the writer tells of a bad disk.
			_ = c.round()
		}
	}
}

// round moves the log where it is long enough, and the tail of it in the writer's turn.
func (c *checkpointer) round() error {
	left, err := c.pages("NOOP")
	if err != nil || left < checkpointFrom {
		return err
	}
	for try := 0; try < checkpointTries && left > checkpointTail; try++ {
		if _, err := c.pages("PASSIVE"); err != nil {
			return err
		}
		before := left
		if left, err = c.pages("NOOP"); err != nil || left >= before { // a reader holds it, or the writer is faster
			return err
		}
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	_, err = c.pages("PASSIVE")
	return err
}

// pages runs a checkpoint and returns how many pages of the log are not in the file yet.
func (c *checkpointer) pages(mode string) (int64, error) {
	stmt, err := c.conn.Prepare("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return 0, err //nolint:wrapcheck // the driver's own error
	}
	_, err = stmt.Step()
	left := stmt.ColumnInt64(1) - stmt.ColumnInt64(2)
	return left, errors.Join(err, stmt.Reset())
}

// Close ends the round that runs.
func (c *checkpointer) Close() error {
	close(c.stop)
	<-c.done
	return c.conn.Close() //nolint:wrapcheck // the driver's own error
}
