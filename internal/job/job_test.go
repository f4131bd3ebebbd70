package job_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// node is one process of the platform: its own queue on a database that several share.
type node struct {
	*job.Jobs
	db        *sqldb.DB
	clock     *clock.Clock
	committer *commit.Committer
	log       *logBuffer
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func newNode(t *testing.T, db *sqldb.DB, clk *clock.Clock) *node {
	t.Helper()
	c := commit.New(db, clk, commit.Options{})
	log := &logBuffer{}
	n := &node{db: db, clock: clk, committer: c, log: log}
	n.Jobs = job.New(c, db, clk, slog.New(slog.NewTextHandler(log, nil)))
	return n
}

// start opens the node's committer, so that it can enqueue. One node of a test does it.
func (n *node) start(t *testing.T) *node {
	t.Helper()
	if err := n.committer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.committer.Close)
	return n
}

// run runs the node's workers until stop is called or the test ends.
func (n *node) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func (n *node) enqueue(t *testing.T, work job.Work) id.Job {
	t.Helper()
	if work.ID == "" {
		work.ID = id.New[id.Job](n.clock.Now())
	}
	if work.Kind == "" {
		work.Kind = "test"
	}
	err := n.committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
		n.Enqueue(tx, work)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return work.ID
}

func (n *node) count(t *testing.T) int {
	t.Helper()
	var rows int
	if err := n.db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM jobs").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func (n *node) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	err := n.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds; the test fails if it never does.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestRunsEachJobOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		a, b := newNode(t, db, clk).start(t), newNode(t, db, clk)
		var mu sync.Mutex
		runs, now, most := map[id.Job]int{}, 0, 0
		atOnce := map[id.Job]bool{}
		for _, n := range []*node{a, b} {
			n.Handle("test", job.Policy{Backoff: job.Table(0)}, func(_ context.Context, j job.Job) error {
				mu.Lock()
				if atOnce[j.ID] {
					t.Errorf("%s runs twice at once", j.ID)
				}
				atOnce[j.ID] = true
				runs[j.ID]++
				now++
				most = max(most, now)
				first := runs[j.ID] == 1
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				now--
				delete(atOnce, j.ID)
				if j.Payload == "fails first" && first {
					return errors.New("not yet")
				}
				return nil
			})
		}
		a.run(t)
		b.run(t)
		for i := range 120 {
			payload := ""
			if i%3 == 0 {
				payload = "fails first"
			}
			a.enqueue(t, job.Work{Subject: strconv.Itoa(i), Payload: payload})
		}
		eventually(t, "all jobs are done", func() bool { return a.count(t) == 0 })
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for _, n := range runs {
			total += n
		}
		if len(runs) != 120 || total != 160 || most > 16 {
			t.Errorf("%d jobs, %d runs, %d at once; want 120, 160, at most 16", len(runs), total, most)
		}
	})
}

func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		n.WorkersMax = 3
		var running, done atomic.Int64
		gate := make(chan struct{})
		n.Handle("test", job.Policy{}, func(context.Context, job.Job) error {
			if running.Add(1) > 3 {
				t.Error("more than three at once")
			}
			<-gate
			running.Add(-1)
			done.Add(1)
			return nil
		})
		for range 10 {
			n.enqueue(t, job.Work{})
		}
		n.run(t)
		eventually(t, "three run", func() bool { return running.Load() == 3 })
		close(gate)
		eventually(t, "all are done", func() bool { return done.Load() == 10 && n.count(t) == 0 })
	})
}

func TestRefusedDecisionEnqueuesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		no := errors.New("no")
		err := n.committer.Do(t.Context(), nil, func(tx *commit.Tx) error {
			n.Enqueue(tx, job.Work{ID: id.New[id.Job](n.clock.Now()), Kind: "test"})
			return no
		})
		if !errors.Is(err, no) || n.count(t) != 0 {
			t.Errorf("err %v, %d jobs", err, n.count(t))
		}
	})
}

func TestRunAt(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		var ran atomic.Value
		n.Handle("test", job.Policy{}, func(_ context.Context, j job.Job) error {
			ran.Store(j.Subject)
			return nil
		})
		n.enqueue(t, job.Work{Subject: "tomorrow", RunAt: n.clock.Now().Add(24 * time.Hour)})
		n.enqueue(t, job.Work{Subject: "now"})
		n.enqueue(t, job.Work{Subject: "elsewhere", Kind: "of another node"})
		n.run(t)
		eventually(t, "the one that is due has run", func() bool { return ran.Load() == "now" && n.count(t) == 2 })
		n.clock.Advance(24 * time.Hour)
		eventually(t, "the later one has run", func() bool { return ran.Load() == "tomorrow" && n.count(t) == 1 })
	})
}

func TestAbandonedJobComesBack(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk := &clock.Clock{}
		a, b := newNode(t, db, clk).start(t), newNode(t, db, clk)
		hung, release, second, finish := make(chan struct{}), make(chan struct{}), make(chan job.Job, 1), make(chan struct{})
		a.Handle("test", job.Policy{Lease: time.Hour}, func(context.Context, job.Job) error {
			close(hung)
			<-release // it does not heed its context, as a crashed node would not
			return nil
		})
		b.Handle("test", job.Policy{Lease: time.Hour}, func(_ context.Context, j job.Job) error {
			second <- j
			<-finish
			return nil
		})
		name := a.enqueue(t, job.Work{Subject: "s", Payload: "p"})
		stopA := a.run(t)
		<-hung
		b.run(t)
		clk.Advance(61 * time.Minute)
		j := <-second
		if j.ID != name || j.Attempts != 2 || j.Subject != "s" || j.Payload != "p" {
			t.Errorf("second attempt: %+v", j)
		}
		// The first worker answers late: its lease is lost, so the row stays with the second one.
		close(release)
		stopA()
		if a.count(t) != 1 || runs(t, a, "lost") != 1 {
			t.Errorf("%d rows, %d lost", a.count(t), runs(t, a, "lost"))
		}
		close(finish)
		eventually(t, "the second attempt ends the job", func() bool { return b.count(t) == 0 })
	})
}

// runs reads the node's counter of attempts with a result.
func runs(t *testing.T, n *node, result string) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(n.Metrics.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == "feiqian_job_runs_total" && label.GetValue() == result {
					return int(metric.GetCounter().GetValue())
				}
			}
		}
	}
	return 0
}

func TestDeadLetterAndRetry(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		var attempts atomic.Int64
		var works atomic.Bool
		n.Handle("test", job.Policy{AttemptsMax: 3, Backoff: job.Table(time.Hour)}, func(context.Context, job.Job) error {
			attempts.Add(1)
			if works.Load() {
				return nil
			}
			panic("card 6222 0212 3456 7890 refused")
		})
		var names []id.Job
		for range 3 {
			names = append(names, n.enqueue(t, job.Work{}))
		}
		n.run(t)
		for want := int64(3); want <= 9; want += 3 {
			eventually(t, "each has failed", func() bool { return attempts.Load() == want })
			waitSettled(t, n)
			n.clock.Advance(time.Hour)
		}
		var dead []job.Job
		eventually(t, "all are dead", func() bool {
			page, next, err := n.Dead(t.Context(), "", 2)
			if err != nil {
				t.Fatal(err)
			}
			rest, end, err := n.Dead(t.Context(), next, 2)
			dead = append(page, rest...)
			return err == nil && end == "" && len(page) == 2 && len(rest) == 1
		})
		for i, j := range dead {
			if j.ID != names[i] || j.State != job.StateDead || j.Attempts != 3 || j.LastError != "panic: card ***7890 refused" {
				t.Errorf("dead job %+v", j)
			}
		}
		works.Store(true)
		if err := n.Retry(t.Context(), names[1]); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the retried one is done", func() bool { return n.count(t) == 2 && attempts.Load() == 10 })
		if err := n.Retry(t.Context(), names[1]); fault.CodeOf(err) != "job.not_dead" {
			t.Errorf("retry of a done job: %v", err)
		}
	})
}

// waitSettled waits until no job of the node holds a lease.
func waitSettled(t *testing.T, n *node) {
	t.Helper()
	eventually(t, "the outcomes are settled", func() bool {
		var leased int
		err := n.db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM jobs WHERE leased_by <> ''").Scan(&leased)
		return err == nil && leased == 0
	})
}

func TestJobThatKillsItsNodesIsBuried(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		n.Handle("test", job.Policy{AttemptsMax: 2}, func(context.Context, job.Job) error {
			t.Error("it runs once more")
			return nil
		})
		name := n.enqueue(t, job.Work{})
		n.exec(t, "UPDATE jobs SET attempts = 2, leased_by = 'gone', run_at = 1 WHERE id = $1", string(name))
		n.run(t)
		eventually(t, "it is dead", func() bool {
			dead, _, err := n.Dead(t.Context(), "", 10)
			return err == nil && len(dead) == 1 && dead[0].LastError != ""
		})
	})
}

func TestShutdownGivesBack(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		begun := make(chan struct{})
		n.Handle("test", job.Policy{}, func(ctx context.Context, _ job.Job) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		})
		n.enqueue(t, job.Work{})
		stop := n.run(t)
		<-begun
		stop()
		var attempts, runAt int64
		var leasedBy, state string
		err := db.Read.QueryRowContext(t.Context(), "SELECT attempts, run_at, leased_by, state FROM jobs").
			Scan(&attempts, &runAt, &leasedBy, &state)
		if err != nil || attempts != 0 || leasedBy != "" || state != job.StateReady || runAt > n.clock.Now().UnixMicro() {
			t.Errorf("attempts %d, leased by %q, state %q, %v", attempts, leasedBy, state, err)
		}
	})
}

func TestRetryAfterOfAFault(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		n := newNode(t, db, &clock.Clock{}).start(t)
		n.Handle("test", job.Policy{Backoff: job.Table(time.Second)}, func(context.Context, job.Job) error {
			return fault.New(fault.Unavailable, "bank.busy", "come later").WithRetryAfter(48 * time.Hour)
		})
		n.enqueue(t, job.Work{})
		n.run(t)
		eventually(t, "it waits for two days", func() bool {
			var runAt int64
			err := db.Read.QueryRowContext(t.Context(),
				"SELECT run_at FROM jobs WHERE leased_by = '' AND attempts = 1").Scan(&runAt)
			return err == nil && clock.FromMicros(runAt).After(n.clock.Now().Add(47*time.Hour))
		})
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	table, doubling := job.Table(time.Second, time.Minute), job.Doubling(time.Second, 10*time.Second)
	for attempt, want := range map[int64][2]time.Duration{
		1:    {time.Second, time.Second},
		2:    {time.Minute, 2 * time.Second},
		4:    {time.Minute, 8 * time.Second},
		5:    {time.Minute, 10 * time.Second},
		1000: {time.Minute, 10 * time.Second},
	} {
		if got := [2]time.Duration{table(attempt), doubling(attempt)}; got != want {
			t.Errorf("attempt %d: %v, want %v", attempt, got, want)
		}
	}
}
