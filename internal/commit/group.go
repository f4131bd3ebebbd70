package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/sqldb"
)

const (
	groupTriesMax  = 10
	settleWaitMax  = 2 * time.Second
	settleWaitUnit = 50 * time.Millisecond
)

// group is one run of decisions over one set of rows.
type group struct {
	id     id.Group
	now    time.Time
	tables []groupTable
	leaves []byte // 32 bytes each
	writes bool   // a decision left something to write
}

// runCalls runs calls as one group until its outcome is known. If the group as a whole can't be
// written though the database is there and nobody else is in the way, its decisions are run one by one, so that
// one bad decision does not take the others with it.
func (c *Committer) runCalls(ctx context.Context, writer sqldb.Writer, calls []*call) {
	live := calls[:0]
	for _, job := range calls {
		if job.state.CompareAndSwap(waiting, taken) {
			live = append(live, job)
		}
	}
	if len(live) == 0 {
		return
	}
	err := c.attempt(ctx, writer, live)
	if err != nil && len(live) > 1 && !errors.Is(err, sqldb.ErrUnknown) &&
		fault.KindOf(c.db.Fault(err)) != fault.Unavailable {
		for _, job := range live {
			one := []*call{job}
			c.answer(one, c.attempt(ctx, writer, one))
		}
		return
	}
	c.answer(live, err)
}

// answer tells every caller its own outcome; groupErr is what kept the whole group from being written.
func (c *Committer) answer(calls []*call, groupErr error) {
	for _, job := range calls {
		err := job.decided
		if groupErr != nil {
			err = fault.Wrap(c.db.Fault(groupErr), "commit group")
		} else {
			for _, after := range job.after { // none where the decision was taken back
				after()
			}
		}
		job.done <- err
	}
}

// attempt runs the group again from its reads for as long as the engine asks for that.
func (c *Committer) attempt(ctx context.Context, writer sqldb.Writer, calls []*call) error {
	start := time.Now() //nolint:forbidigo // measures a duration
	var err error
	for try := range groupTriesMax {
		if try > 0 {
			c.Metrics.retries.Inc()
			time.Sleep(time.Duration(try*try) * time.Millisecond)
		}
		g := c.newGroup()
		err = c.once(ctx, writer, g, calls)
		if errors.Is(err, sqldb.ErrUnknown) {
			var committed bool
			if committed, err = c.settle(ctx, writer, g.id, err); committed {
				err = nil
			} else if err == nil {
				err = sqldb.ErrAgain
			}
		}
		if err == nil {
			c.Metrics.observe(calls, start)
			return nil
		}
		writer.Rollback(ctx)
		if !errors.Is(err, sqldb.ErrAgain) && fault.KindOf(err) != fault.Unavailable {
			return err
		}
	}
	return fmt.Errorf("after %d tries: %w", groupTriesMax, err)
}

// settle finds out whether a group was committed. It does not give up: an answer that is not known
// must not be given.
func (c *Committer) settle(ctx context.Context, writer sqldb.Writer, name id.Group, cause error) (bool, error) {
	c.Metrics.unknown.Inc()
	for wait := settleWaitUnit; ; wait = min(2*wait, settleWaitMax) {
		committed, err := writer.Settle(ctx, string(name))
		if err == nil {
			return committed, nil
		}
		select {
		case <-ctx.Done():
			return false, errors.Join(sqldb.ErrUnknown, cause, err)
		case <-time.After(wait):
		}
	}
}

func (c *Committer) newGroup() *group {
	now := c.clock.Now()
	// Groups of a node are at least a millisecond apart and never go back, so that ids that are made
	// of the group's (id.Member) sort in the order of commits.
	if least := c.lastGroup.Add(time.Millisecond); now.Before(least) {
		now = least
	}
	c.lastGroup = now
	g := &group{id: id.New[id.Group](now), now: now, tables: make([]groupTable, len(c.tables))}
	for i, t := range c.tables {
		g.tables[i] = t.newGroup(g)
	}
	return g
}

// once reads, decides, writes and commits.
func (c *Committer) once(ctx context.Context, writer sqldb.Writer, g *group, calls []*call) error {
	for _, job := range calls {
		for _, key := range job.keys {
			g.tables[key.table].want(key.column, key.value)
		}
	}
	var reads []sqldb.Read
	for _, t := range g.tables {
		reads = t.reads(reads)
	}
	if err := writer.Lock(ctx, reads); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	for _, job := range calls {
		g.decide(job)
	}
	if !g.writes {
		writer.Rollback(ctx)
		return nil
	}
	writes := []sqldb.Write{g.row()}
	for _, t := range g.tables {
		writes = t.writes(writes)
	}
	if err := writer.Commit(ctx, writes); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// decide runs one decision and takes back what it did if it refused or panicked.
func (g *group) decide(job *call) {
	tx := &Tx{group: g, keys: job.keys}
	mark := len(g.leaves)
	job.decided = run(tx, job.decide)
	kept, keep := errors.AsType[*keptError](job.decided)
	if keep {
		job.decided = kept.cause
	}
	if job.decided != nil && !keep {
		for _, t := range tx.touched {
			t.undo()
		}
		g.leaves = g.leaves[:mark]
		job.after = nil
		return
	}
	g.writes = g.writes || len(g.leaves) > mark
	for _, t := range tx.touched {
		t.keep()
		g.writes = true
	}
	job.after = tx.after
}

// run turns a panic of a decision into its own failure: the others in the group go on.
func run(tx *Tx, decide func(*Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Wrap(fmt.Errorf("panic: %v", r), "decide")
		}
	}()
	return decide(tx)
}

// row is the group's own row: what settles an unknown outcome, and the Merkle leaves for the log.
func (g *group) row() sqldb.Write {
	return sqldb.Write{
		Table: groupsTable(), Rows: 1,
		Values: []any{
			[]string{string(g.id)},
			[]int64{clock.Micros(g.now)},
			[]int64{int64(len(g.leaves) / LeafSize)},
			[][]byte{g.leaves},
		},
	}
}

func groupsTable() *sqldb.Table {
	return &sqldb.Table{Name: "commit_groups", Columns: []sqldb.Column{
		{
			Name: "id",
		},
		{Name: "committed_at", Kind: sqldb.Int},
		{Name: "leaf_count", Kind: sqldb.Int},
		{Name: "leaves", Kind: sqldb.Bytes},
	}}
}
