// Package commit groups decisions that arrive together into one durable commit.
//
// A decision is a pure function over rows whose keys are declared before it runs:
//
//	err := committer.Do(ctx, []commit.Key{accounts.Key(payer), accounts.Key(payee)}, func(tx *commit.Tx) error {
//		account, found, err := accounts.Get(tx, payer)
//		…
//		return accounts.Put(tx, account)
//	})
//
// Underneath, all decisions that wait are one group: one bulk locked read for each table, the
// decisions in arrival order in memory, one bulk write for each table, one commit. A decision that returns an
// error leaves nothing behind and does not touch the others. Nobody is answered before the commit is
// durable. A decision may run several times (a conflict with another node, a lost connection), so
// it makes no calls, reads no clock and draws no random numbers; ids are handed in, and what it
// sets outside itself it sets anew each time.
package commit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Options bound the committer. Zero values mean the defaults.
type Options struct {
	// GroupMax is the largest number of decisions in one commit; default 500.
	GroupMax int
	// QueueMax is the number of decisions that may wait; more are refused with commit.queue_full. Default 8192.
	QueueMax int
}

// Committer runs decisions in groups. Tables are registered before Start, in the order in which their
// rows are locked.
type Committer struct {
	// Metrics are the committer's own measurements; register them where metrics are served.
	Metrics *Metrics

	db        *sqldb.DB
	clock     *clock.Clock
	options   Options
	tables    []tableKind
	queue     chan *call
	stopped   chan struct{}
	stop      context.CancelFunc
	lastGroup time.Time    // of the newest group; only the run goroutine reads and writes it
	closing   sync.RWMutex // held for reading while a call is put in the queue
	closed    bool
}

// Key names a row that a decision reads: a table, a column of it, and the value there.
type Key struct {
	table  int
	column int
	value  string
}

// call states: a caller that leaves early may take its call back until the group has taken it.
const (
	waiting int32 = iota
	taken
	left
)

type call struct {
	keys    []Key
	decide  func(*Tx) error
	queued  time.Time
	state   atomic.Int32
	decided error
	after   []func()
	done    chan error
}

// New returns a committer on db. Register tables, then Start it.
func New(db *sqldb.DB, clk *clock.Clock, options Options) *Committer {
	if options.GroupMax <= 0 {
		options.GroupMax = 500
	}
	if options.QueueMax <= 0 {
		options.QueueMax = 8192
	}
	return &Committer{
		Metrics: newMetrics(), db: db, clock: clk, options: options,
		queue: make(chan *call, options.QueueMax), stopped: make(chan struct{}),
	}
}

// Start opens the writer and begins to run groups until Close.
func (c *Committer) Start(ctx context.Context) error {
	writer, err := c.db.NewWriter(ctx)
	if err != nil {
		return err
	}
	runContext, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.run(runContext, writer)
	return nil
}

// Close refuses new decisions, finishes those that wait, and closes the writer.
func (c *Committer) Close() {
	c.closing.Lock()
	already := c.closed
	c.closed = true
	c.closing.Unlock()
	if already || c.stop == nil {
		return
	}
	close(c.queue)
	<-c.stopped
	c.stop()
}

// Do runs decide in the next group and returns when its effects are durable, or with decide's error
// when it refused. When ctx ends while the call still waits, it is taken back and nothing happens;
// after that Do waits for the outcome.
//
// Errors: commit.queue_full (Unavailable, with RetryAfter), commit.closed, commit.timeout, and decide's own.
func (c *Committer) Do(ctx context.Context, keys []Key, decide func(*Tx) error) error {
	return c.submit(ctx, &call{keys: keys, decide: decide, done: make(chan error, 1)})
}

func (c *Committer) submit(ctx context.Context, job *call) error {
	job.queued = time.Now() //nolint:forbidigo // measures a duration
	if err := c.enqueue(job); err != nil {
		return err
	}
	select {
	case err := <-job.done:
		return err
	case <-ctx.Done():
		if job.state.CompareAndSwap(waiting, left) {
			return fault.New(fault.Timeout, "commit.timeout", "the request ended before it was decided; nothing was done").
				WithCause(ctx.Err())
		}
		return <-job.done
	}
}

func (c *Committer) enqueue(job *call) error {
	c.closing.RLock()
	defer c.closing.RUnlock()
	if c.closed {
		return fault.New(fault.Unavailable, "commit.closed", "the server is shutting down").WithRetryAfter(time.Second)
	}
	select {
	case c.queue <- job:
		return nil
	default:
		c.Metrics.refused.Inc()
		return fault.New(fault.Unavailable, "commit.queue_full", "too many requests at once").
			WithRetryAfter(time.Second).WithHint("come back after the time in Retry-After")
	}
}

// A group leaves when nobody came for lingerUnit, and at the latest after lingerMax: the callers that the last
// group answered are on their way back, and one commit for all is cheaper than two for half of
// them each.
const (
	lingerUnit = 100 * time.Microsecond
	lingerMax  = time.Millisecond
)

// linger waits while the queue grows.
func (c *Committer) linger() {
	for waited := time.Duration(0); waited < lingerMax; waited += lingerUnit {
		before := len(c.queue)
		if before >= c.options.GroupMax {
			return
		}
		time.Sleep(lingerUnit)
		if len(c.queue) == before {
			return
		}
	}
}

// run takes what waits as one group, again and again: while one group is written the next one forms in the queue.
func (c *Committer) run(ctx context.Context, writer sqldb.Writer) {
	defer close(c.stopped)
	defer writer.Close()
	calls := make([]*call, 0, c.options.GroupMax)
	for first := range c.queue {
		calls = append(calls[:0], first)
		c.linger()
	fill:
		for len(calls) < c.options.GroupMax {
			select {
			case next, open := <-c.queue:
				if !open {
					break fill
				}
				calls = append(calls, next)
			default:
				break fill
			}
		}
		c.runCalls(ctx, writer, calls)
	}
}
