// Package job keeps durable work for later: rows of table jobs, written inside the decision that
// wants the work done, and taken by workers under a lease, so that a crashed worker's job comes back by itself.
//
//	jobs := job.New(committer, db, clk, log)
//	jobs.Handle("payout.send", job.Policy{}, sendPayout)
//	…
//	jobs.Enqueue(tx, job.Work{ID: jobID, Kind: "payout.send", Subject: string(payoutID)})
//
// A job runs at least once: a handler must be idempotent. Read run.go for the workers, lease.go for what
// only one node may do at a time, every.go for what is done again and again.
package job

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// The states of a job. A ready job waits for a worker, or for its lease to end; a dead one waits
// for a person; a job that is done has no row.
const (
	StateReady = "ready"
	StateDead  = "dead"
)

// Work is what Enqueue is asked for. The id is made before the decision and handed in.
type Work struct {
	ID      id.Job
	Kind    string    // names the handler: `payout.send`
	Subject string    // id of what the work is about
	Payload string    // the handler's own; never a secret
	RunAt   time.Time // zero means at once
}

// Job is one job as its handler and the dead-letter list see it.
type Job struct {
	ID        id.Job    `json:"id"`
	Kind      string    `json:"kind"`
	Subject   string    `json:"subject"`
	Payload   string    `json:"payload"`
	State     string    `json:"state"`
	RunAt     time.Time `json:"run_at"`     // due, or when its lease ends
	Attempts  int64     `json:"attempts"`   // this one included
	LastError string    `json:"last_error"` // masked
	CreatedAt time.Time `json:"created_at"`
}

// Policy bounds the attempts of one kind of job. Zero values mean the defaults.
type Policy struct {
	// AttemptsMax is the number of attempts before a job is dead; default 10.
	AttemptsMax int64
	// Backoff returns the wait behind failed attempt n (1 is the first); default Doubling(1 s, 15 min).
	// A fault's RetryAfter counts where it is longer.
	Backoff func(attempt int64) time.Duration
	// Lease is how long a worker may take, and so how long a crashed worker's job waits; default 1 min.
	Lease time.Duration
}

// Table is a backoff by published steps; the last one stays.
func Table(steps ...time.Duration) func(attempt int64) time.Duration {
	return func(attempt int64) time.Duration {
		if len(steps) == 0 {
			return 0
		}
		return steps[min(max(attempt, 1), int64(len(steps)))-1]
	}
}

// Doubling is a backoff that starts at first and doubles up to most.
func Doubling(first, most time.Duration) func(attempt int64) time.Duration {
	return func(attempt int64) time.Duration {
		wait := first
		for range attempt - 1 {
			if wait >= most/2 {
				return most
			}
			wait *= 2
		}
		return min(wait, most)
	}
}

// Handler does the work of one kind. Its context ends with the lease. An error puts the job back by
// its policy.
type Handler func(ctx context.Context, job Job) error

// Jobs is the node's queue: it writes jobs, runs them, and holds leases.
type Jobs struct {
	// Metrics are the queue's own measurements; register them where metrics are served.
	Metrics *Metrics
	// WorkersMax is the number of jobs this node runs at once; default 8. Set it before Run.
	WorkersMax int

	db    *sqldb.DB
	clock *clock.Clock
	log   *slog.Logger
	table *commit.Table[row]
	kinds map[string]kind
	wake  chan struct{}
}

type kind struct {
	policy  Policy
	handler Handler
}

// row is a job as the commit writes it.
type row struct {
	id, kind, subject, payload, state, leasedBy, lastError string
	runAt, createdAt                                       time.Time
	attempts                                               int64
}

// New registers table jobs with the committer and returns the queue. Add handlers, then Run it.
func New(c *commit.Committer, db *sqldb.DB, clk *clock.Clock, log *slog.Logger) *Jobs {
	return &Jobs{
		Metrics: newMetrics(), WorkersMax: 8, db: db, clock: clk, log: log,
		kinds: map[string]kind{}, wake: make(chan struct{}, 1),
		table: commit.AddTable(c, "jobs",
			commit.Text("id", func(r *row) *string { return &r.id }),
			commit.Text("kind", func(r *row) *string { return &r.kind }),
			commit.Text("subject", func(r *row) *string { return &r.subject }),
			commit.Text("payload", func(r *row) *string { return &r.payload }),
			commit.Text("state", func(r *row) *string { return &r.state }),
			commit.Instant("run_at", func(r *row) *time.Time { return &r.runAt }),
			commit.Int("attempts", func(r *row) *int64 { return &r.attempts }),
			commit.Text("leased_by", func(r *row) *string { return &r.leasedBy }),
			commit.Text("last_error", func(r *row) *string { return &r.lastError }),
			commit.Instant("created_at", func(r *row) *time.Time { return &r.createdAt }),
		),
	}
}

// Enqueue writes a job inside a decision; it is there if and only if the decision is. This node's workers
// wake once it is durable.
func (j *Jobs) Enqueue(tx *commit.Tx, work Work) {
	due := work.RunAt
	if due.IsZero() {
		due = tx.Now()
	}
	j.table.Append(tx, row{
		id: string(work.ID), kind: work.Kind, subject: work.Subject, payload: work.Payload,
		state: StateReady, runAt: due, createdAt: tx.Now(),
	})
	if !due.After(tx.Now()) {
		tx.After(j.nudge)
	}
}

// Handle says who does the jobs of a kind; call it before Run. A node leaves jobs of kinds that it has no
// handler for to others.
func (j *Jobs) Handle(name string, policy Policy, handler Handler) {
	if _, there := j.kinds[name]; there {
		panic("job: two handlers for " + name)
	}
	if policy.AttemptsMax <= 0 {
		policy.AttemptsMax = 10
	}
	if policy.Backoff == nil {
		policy.Backoff = Doubling(time.Second, 15*time.Minute)
	}
	if policy.Lease <= 0 {
		policy.Lease = time.Minute
	}
	j.kinds[name] = kind{policy: policy, handler: handler}
}

func (j *Jobs) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Dead lists dead jobs in the order of their ids, those behind cursor ("" is the start), and returns the
// cursor of the next page, "" behind the last one. Limit is 1 to 500.
func (j *Jobs) Dead(ctx context.Context, cursor id.Job, limit int) ([]Job, id.Job, error) {
	limit = min(max(limit, 1), 500)
	list, err := j.selectDead(ctx, cursor, limit+1)
	if err != nil {
		return nil, "", fault.Wrap(j.db.Fault(err), "list dead jobs")
	}
	if len(list) <= limit {
		return list, "", nil
	}
	list = list[:limit]
	return list, list[limit-1].ID, nil
}

// Retry makes a dead job ready at once, its attempts counted anew; also runs in the same transaction, to record it.
//
// Errors: job.not_dead (Conflict), also where there is no such job.
func (j *Jobs) Retry(ctx context.Context, name id.Job, also ...func(tx *sql.Tx) error) error {
	revived, err := j.revive(ctx, name, also)
	if err != nil {
		return fault.Wrap(err, "retry job "+string(name))
	}
	if !revived {
		return fault.New(fault.Conflict, "job.not_dead", "this job is not in the dead-letter list")
	}
	j.nudge()
	return nil
}
