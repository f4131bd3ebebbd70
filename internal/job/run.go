package job

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

const (
	pollEvery = 200 * time.Millisecond
	drainMax  = 5 * time.Second
)

// runner is one Run: a single goroutine takes and settles jobs, each in one transaction for many of them, and
// each job runs in a goroutine of its own.
type runner struct {
	*Jobs
	running  map[id.Job]bool
	results  chan *outcome
	finished []*outcome // not yet settled in the database
	workers  sync.WaitGroup
}

// outcome is a job that has run: its row as it goes on, and how its handler ended.
type outcome struct {
	job     Job
	token   string
	err     error
	stopped bool // the node is shutting down: the attempt does not count
	result  string
}

// Run takes and runs due jobs until ctx ends; then it waits for the handlers, whose context ends
// too, and gives unfinished jobs back.
func (j *Jobs) Run(ctx context.Context) {
	if len(j.kinds) == 0 {
		return
	}
	r := &runner{Jobs: j, running: map[id.Job]bool{}, results: make(chan *outcome, j.WorkersMax)}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		certain := true
		select {
		case <-ctx.Done():
			r.drain(ctx)
			return
		case <-j.wake:
		case o := <-r.results:
			r.collect(o)
		case <-tick.C:
			certain = false
		}
		if err := r.step(ctx, certain); err != nil && ctx.Err() == nil {
			j.log.ErrorContext(ctx, "jobs can't be taken", slog.Any("error", err))
		}
	}
}

// collect puts a result, and all others that wait, in line for settling.
func (r *runner) collect(o *outcome) {
	for {
		delete(r.running, o.job.ID)
		r.finished = append(r.finished, o)
		select {
		case o = <-r.results:
		default:
			return
		}
	}
}

// step settles what has finished and takes what is due, in one transaction. If it isn't certain that
// there is something to do it looks first, on a read connection.
func (r *runner) step(ctx context.Context, certain bool) error {
	free := r.WorkersMax - len(r.running)
	if len(r.finished) == 0 {
		if free == 0 {
			return nil
		}
		if !certain {
			if due, err := r.due(ctx); err != nil || !due {
				return err
			}
		}
	}
	var taken []*outcome
	err := r.db.Write(ctx, func(tx *sql.Tx) (err error) {
		if err = r.settle(ctx, tx); err != nil {
			return err
		}
		taken, err = r.take(ctx, tx, free)
		return err
	})
	if err != nil {
		return err
	}
	r.count()
	for _, o := range taken {
		r.start(ctx, o)
	}
	if len(taken) == free && len(r.running) < r.WorkersMax {
		r.nudge()
	}
	return nil
}

// settle writes the outcomes: done jobs go, the others wait for their next attempt or are dead.
func (r *runner) settle(ctx context.Context, tx *sql.Tx) error {
	for _, o := range r.finished {
		write := putBack
		if o.err == nil {
			write = deleteDone
			o.result = "done"
		} else {
			r.putOff(o)
		}
		ours, err := write(ctx, tx, o)
		if err != nil {
			return fmt.Errorf("settle %s: %w", o.job.ID, err)
		}
		if !ours {
			o.result = "lost"
		}
	}
	return nil
}

// putOff decides how a job that failed goes on. It may be called again for the same outcome.
func (r *runner) putOff(o *outcome) {
	policy, now := r.kinds[o.job.Kind].policy, r.clock.Now()
	attempt := o.job
	switch {
	case o.stopped:
		o.result = "given_back"
		o.job.State, o.job.RunAt = StateReady, now
		return
	case attempt.Attempts >= policy.AttemptsMax:
		o.result = "dead"
		o.job.State, o.job.RunAt = StateDead, now
	default:
		o.result = "failed"
		wait := max(policy.Backoff(attempt.Attempts), fault.From(o.err).RetryAfter)
		o.job.State, o.job.RunAt = StateReady, now.Add(wait)
	}
	o.job.LastError = mask(o.err.Error())
}

// take leases up to free due jobs. A job that this node still runs, though its lease has ended, is
// left alone; one whose last attempt never answered is dead.
func (r *runner) take(ctx context.Context, tx *sql.Tx, free int) ([]*outcome, error) {
	if free == 0 {
		return nil, nil
	}
	now := r.clock.Now()
	due, err := r.selectDue(ctx, tx, now, free+len(r.running))
	if err != nil {
		return nil, fmt.Errorf("select due jobs: %w", err)
	}
	token := newHolder(now)
	var taken []*outcome
	for i := range due {
		job := due[i]
		policy := r.kinds[job.Kind].policy
		if r.running[job.ID] || len(taken) == free {
			continue
		}
		if job.Attempts >= policy.AttemptsMax {
			job.LastError = "the last attempt ended without an answer"
			err = bury(ctx, tx, &job)
		} else {
			job.Attempts++
			job.RunAt = now.Add(policy.Lease)
			err = lease(ctx, tx, job.ID, token, job.RunAt)
			taken = append(taken, &outcome{job: job, token: token})
		}
		if err != nil {
			return nil, fmt.Errorf("take %s: %w", job.ID, err)
		}
	}
	return taken, nil
}

// start runs the handler in a goroutine of its own.
func (r *runner) start(ctx context.Context, o *outcome) {
	r.running[o.job.ID] = true
	r.workers.Go(func() {
		begun := time.Now() //nolint:forbidigo // measures a duration
		k := r.kinds[o.job.Kind]
		work, cancel := context.WithTimeout(ctx, k.policy.Lease)
		defer cancel()
		o.err = protect(work, k.handler, o.job)
		if o.err != nil && ctx.Err() != nil {
			o.stopped = true
			o.job.Attempts--
		}
		r.Metrics.seconds.WithLabelValues(o.job.Kind).Observe(time.Since(begun).Seconds())
		r.results <- o
	})
}

// protect turns a handler's panic into its failure.
func protect(ctx context.Context, handler Handler, job Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return handler(ctx, job)
}

// count reports what was settled and forgets it.
func (r *runner) count() {
	for _, o := range r.finished {
		r.Metrics.runs.WithLabelValues(o.job.Kind, o.result).Inc()
		if o.result == "dead" {
			r.log.Error("job is dead", slog.String("job_id", string(o.job.ID)), slog.String("kind", o.job.Kind),
				slog.String("subject", o.job.Subject), slog.String("error", o.job.LastError))
		}
	}
	clear(r.finished)
	r.finished = r.finished[:0]
}

// drain waits for the handlers and settles what they did.
func (r *runner) drain(ctx context.Context) {
	r.workers.Wait()
	select {
	case o := <-r.results:
		r.collect(o)
	default:
	}
	if len(r.finished) == 0 {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	defer cancel()
	if err := r.db.Write(last, func(tx *sql.Tx) error { return r.settle(last, tx) }); err != nil {
		r.log.ErrorContext(ctx, "jobs can't be given back; they come back when their leases end", slog.Any("error", err))
		return
	}
	r.count()
}
