package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/fault"
)

// SequencerLease names the lease under which one node runs Log.Run. The lease spares work; the log
// stays right without it.
const SequencerLease = "ledger.sequencer"

const (
	sequenceEvery   = 200 * time.Millisecond
	checkpointEvery = time.Second
	sequenceGroups  = 128 // groups of one transaction
)

// Run gives new entries their places and signs checkpoints until ctx ends: entries five times a
// second, a checkpoint at most once a second.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(sequenceEvery)
	defer tick.Stop()
	unsigned := true
	for {
		err := l.sequenceAll(ctx, &unsigned)
		if err == nil && unsigned {
			unsigned, err = l.signWhenDue(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "the log can't be sequenced", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Seal gives every entry that waits its place and signs a checkpoint at once, if there is anything new.
// It returns the newest checkpoint. Errors: ledger.log_damaged, ledger.log_forked, ledger.no_checkpoint.
func (l *Log) Seal(ctx context.Context) (Checkpoint, error) {
	unsigned := false
	if err := l.sequenceAll(ctx, &unsigned); err != nil {
		return Checkpoint{}, err
	}
	size, err := logSize(ctx, l.db.Read)
	if err != nil {
		return Checkpoint{}, fault.Wrap(l.db.Fault(err), "read the size of the log")
	}
	if size == 0 {
		return Checkpoint{}, noCheckpoint()
	}
	if err := l.sign(ctx); err != nil {
		return Checkpoint{}, err
	}
	return l.Checkpoint(ctx)
}

// sequenceAll sequences batches until none waits, and notes whether there was one.
func (l *Log) sequenceAll(ctx context.Context, some *bool) error {
	for {
		n, err := l.sequence(ctx)
		if err != nil {
			return fault.Wrap(l.db.Fault(err), "sequence the log")
		}
		if n == 0 {
			return nil
		}
		*some = true
	}
}

// unsequenced is a commit whose leaves wait for their place.
type unsequenced struct {
	id     string
	leaves []byte
}

// sequence gives one batch of groups their places, in one transaction, and returns how many groups
// it was. Whoever else is at it waits for the turn and then sees what was done.
func (l *Log) sequence(ctx context.Context) (int, error) {
	var waits bool
	err := l.db.Read.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT 1 FROM commit_groups WHERE first_leaf IS NULL AND leaf_count > 0)").Scan(&waits)
	if err != nil || !waits {
		return 0, err
	}
	var done int
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		done = 0
		if err := takeTurn(ctx, tx); err != nil {
			return err
		}
		groups, err := readUnsequenced(ctx, tx)
		if err != nil || len(groups) == 0 {
			return err
		}
		appender, err := newAppender(ctx, tx)
		if err != nil {
			return err
		}
		update, err := tx.PrepareContext(ctx, "UPDATE commit_groups SET first_leaf = $2 WHERE id = $1 AND first_leaf IS NULL")
		if err != nil {
			return err
		}
		defer update.Close()
		for _, group := range groups {
			if err := placeGroup(ctx, update, group.id, appender.tree.size); err != nil {
				return fmt.Errorf("place group %s: %w", group.id, err)
			}
			for leaves := group.leaves; len(leaves) > 0; leaves = leaves[tlog.HashSize:] {
				appender.add(tlog.Hash(leaves[:tlog.HashSize]))
			}
		}
		done = len(groups)
		return appender.write(ctx, tx)
	})
	return done, err
}

func placeGroup(ctx context.Context, update *sql.Stmt, group string, first int64) error {
	result, err := update.ExecContext(ctx, group, first)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errors.New("it has a place already"))
	}
	return nil
}

// takeTurn locks one row until the end of the transaction, so that sequencers go one after another
// on every engine.
func takeTurn(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO leases (name, holder, expires_at) VALUES ('ledger.log', '', 0)
		ON CONFLICT (name) DO UPDATE SET expires_at = 0`)
	return err
}

func readUnsequenced(ctx context.Context, tx *sql.Tx) ([]unsequenced, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, leaf_count, leaves FROM commit_groups
		WHERE first_leaf IS NULL AND leaf_count > 0 ORDER BY id LIMIT $1`, sequenceGroups)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []unsequenced
	for rows.Next() {
		var group unsequenced
		var count int64
		if err := rows.Scan(&group.id, &count, &group.leaves); err != nil {
			return nil, err
		}
		if int64(len(group.leaves)) != count*tlog.HashSize {
			return nil, damaged(fmt.Errorf("group %s counts %d leaves in %d bytes", group.id, count, len(group.leaves)))
		}
		out = append(out, group)
	}
	return out, rows.Err()
}

// appender appends leaves to the stored hashes: tail holds them from the start of chunk on.
type appender struct {
	tree  *frontier
	chunk int64
	tail  []byte
}

func newAppender(ctx context.Context, tx *sql.Tx) (*appender, error) {
	a := &appender{}
	err := tx.QueryRowContext(ctx, "SELECT chunk, hashes FROM log_hashes ORDER BY chunk DESC LIMIT 1").
		Scan(&a.chunk, &a.tail)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	size, err := sizeOf(a.chunk, int64(len(a.tail)))
	if err != nil {
		return nil, err
	}
	a.tree, err = readFrontier(size, storedHashes(ctx, tx))
	return a, err
}

func (a *appender) add(leaf tlog.Hash) { a.tail = a.tree.add(leaf, a.tail) }

// write stores the chunks that have changed.
func (a *appender) write(ctx context.Context, tx *sql.Tx) error {
	for len(a.tail) > 0 {
		hashes := a.tail[:min(len(a.tail), chunkHashes*tlog.HashSize)]
		_, err := tx.ExecContext(ctx, `INSERT INTO log_hashes (chunk, hashes) VALUES ($1, $2)
			ON CONFLICT (chunk) DO UPDATE SET hashes = excluded.hashes`, a.chunk, hashes)
		if err != nil {
			return fmt.Errorf("write chunk %d: %w", a.chunk, err)
		}
		a.tail = a.tail[len(hashes):]
		a.chunk++
	}
	return nil
}

// signWhenDue signs a checkpoint unless the newest one is younger than a second, and reports whether there
// is more to sign.
func (l *Log) signWhenDue(ctx context.Context) (unsigned bool, err error) {
	size, err := logSize(ctx, l.db.Read)
	if err != nil {
		return true, l.db.Fault(err)
	}
	newest, err := l.newest(ctx)
	if err != nil {
		return true, err
	}
	if size == newest.Size {
		return false, nil
	}
	// A negative age is another node's clock ahead of ours: it must not keep us waiting.
	if age := l.clock.Now().Sub(newest.CreatedAt); age >= 0 && age < checkpointEvery {
		return true, nil
	}
	return false, l.sign(ctx)
}
