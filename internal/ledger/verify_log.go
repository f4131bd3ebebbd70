package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/fault"
)

// logCheck rebuilds the log from the commits' leaves and compares it with what is stored.
type logCheck struct {
	*verification

	tree        frontier
	stored      []byte // hashes of the rebuilt log from the start of chunk on
	chunk       int64
	size        int64 // leaves that have their place
	checkpoints []Checkpoint
	signed      int64 // size of the newest checkpoint read
}

// log checks places, stored hashes and checkpoints.
func (v *verification) log(ctx context.Context) error {
	l := &logCheck{verification: v}
	err := v.q.QueryRowContext(ctx, `SELECT
		CAST(COALESCE(sum(CASE WHEN first_leaf IS NULL THEN 0 ELSE leaf_count END), 0) AS BIGINT),
		CAST(COALESCE(sum(CASE WHEN first_leaf IS NULL THEN leaf_count ELSE 0 END), 0) AS BIGINT)
		FROM commit_groups`).Scan(&l.size, &v.report.Unsequenced)
	if err != nil {
		return err
	}
	v.report.Leaves = l.size
	if err := l.nextCheckpoints(ctx); err != nil {
		return err
	}
	whole, err := l.walk(ctx)
	if err != nil {
		return err
	}
	if whole && l.tree.size != l.size {
		v.fail("log", strconv.FormatInt(l.tree.size, 10), "the log has %d leaves in order, the commits have %d places",
			l.tree.size, l.size)
		whole = false
	}
	if !whole {
		return nil // what comes behind the first gap can't be right
	}
	if err := l.compareTail(ctx); err != nil {
		return err
	}
	for len(l.checkpoints) > 0 {
		for _, c := range l.checkpoints {
			v.fail("checkpoint", strconv.FormatInt(c.Size, 10), "it signs %d leaves, the log has %d", c.Size, l.tree.size)
			l.checkSigned(c)
		}
		if err := l.nextCheckpoints(ctx); err != nil {
			return err
		}
	}
	return nil
}

// walk goes through the commits in the order of their places, and stops at the first gap.
func (l *logCheck) walk(ctx context.Context) (whole bool, err error) {
	for last := int64(-1); ; {
		page, err := l.readGroups(ctx, last)
		if err != nil || len(page) == 0 {
			return true, err
		}
		for i := range page {
			g := &page[i]
			if g.first != l.tree.size {
				l.fail("log", g.id, "the commit's leaves stand at %d, where %d comes next", g.first, l.tree.size)
				return false, nil
			}
			if g.count*tlog.HashSize != int64(len(g.leaves)) {
				l.fail("log", g.id, "the commit counts %d leaves and has %d bytes of them", g.count, len(g.leaves))
				return false, nil
			}
			for leaves := g.leaves; len(leaves) > 0; leaves = leaves[tlog.HashSize:] {
				if err := l.leaf(ctx, tlog.Hash(leaves[:tlog.HashSize])); err != nil {
					return false, err
				}
			}
			last = g.first
		}
	}
}

type placedGroup struct {
	id           string
	first, count int64
	leaves       []byte
}

// readGroups reads the groups behind a place; index commit_groups_sequenced serves it.
func (l *logCheck) readGroups(ctx context.Context, last int64) ([]placedGroup, error) {
	rows, err := l.q.QueryContext(ctx, `SELECT id, first_leaf, leaf_count, leaves FROM commit_groups
		WHERE first_leaf > $1 ORDER BY first_leaf, id LIMIT $2`, last, groupsPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []placedGroup
	for rows.Next() {
		var g placedGroup
		if err := rows.Scan(&g.id, &g.first, &g.count, &g.leaves); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// leaf appends a leaf, and compares each chunk and each checkpoint that it completes.
func (l *logCheck) leaf(ctx context.Context, hash tlog.Hash) error {
	l.stored = l.tree.add(hash, l.stored)
	for len(l.stored) >= chunkHashes*tlog.HashSize {
		if err := l.compareChunk(ctx, chunkHashes*tlog.HashSize); err != nil {
			return err
		}
	}
	for len(l.checkpoints) > 0 && l.checkpoints[0].Size == l.tree.size {
		c := l.checkpoints[0]
		l.checkpoints = l.checkpoints[1:]
		if root := l.tree.root(); c.Root != root {
			l.fail("checkpoint", strconv.FormatInt(c.Size, 10), "its root is %v, that of the log is %v", c.Root, root)
		}
		l.checkSigned(c)
		if len(l.checkpoints) == 0 {
			if err := l.nextCheckpoints(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareChunk compares the first length bytes of the rebuilt hashes with the stored chunk.
func (l *logCheck) compareChunk(ctx context.Context, length int) error {
	var hashes []byte
	err := l.q.QueryRowContext(ctx, "SELECT hashes FROM log_hashes WHERE chunk = $1", l.chunk).Scan(&hashes)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	subject := strconv.FormatInt(l.chunk, 10)
	want := l.stored[:length]
	switch {
	case err != nil:
		l.fail("log", "chunk "+subject, "it is missing")
	case len(hashes) != length:
		l.fail("log", "chunk "+subject, "it has %d bytes, not %d", len(hashes), length)
	default:
		for at := 0; at < length; at += tlog.HashSize {
			if string(hashes[at:at+tlog.HashSize]) != string(want[at:at+tlog.HashSize]) {
				level, n := tlog.SplitStoredHashIndex(l.chunk*chunkHashes + int64(at/tlog.HashSize))
				l.fail("log", "chunk "+subject, "hash %d (level %d, number %d of the tree) is wrong", at/tlog.HashSize, level, n)
			}
		}
	}
	l.stored = append(l.stored[:0], l.stored[length:]...)
	l.chunk++
	return nil
}

// compareTail compares the last chunk, and looks for chunks behind it.
func (l *logCheck) compareTail(ctx context.Context) error {
	if len(l.stored) > 0 {
		if err := l.compareChunk(ctx, len(l.stored)); err != nil {
			return err
		}
	}
	var more int64
	err := l.q.QueryRowContext(ctx, "SELECT count(*) FROM log_hashes WHERE chunk >= $1", l.chunk).Scan(&more)
	if err != nil {
		return err
	}
	if more > 0 {
		l.fail("log", "chunk "+strconv.FormatInt(l.chunk, 10), "%d chunks are beyond the end of the log", more)
	}
	return nil
}

// nextCheckpoints reads the next page of checkpoints, by size.
func (l *logCheck) nextCheckpoints(ctx context.Context) error {
	rows, err := l.q.QueryContext(ctx, `SELECT size, root, note, created_at FROM log_checkpoints
		WHERE size > $1 ORDER BY size LIMIT $2`, l.signed, verifyPage)
	if err != nil {
		return err
	}
	defer rows.Close()
	l.checkpoints = l.checkpoints[:0:0]
	for rows.Next() {
		c, err := scanCheckpoint(rows.Scan)
		if err != nil {
			return err
		}
		l.checkpoints = append(l.checkpoints, c)
		l.signed = c.Size
		l.report.Checkpoints++
	}
	return rows.Err()
}

// checkSigned checks that a checkpoint's note says what its row says, and who signed it.
func (l *logCheck) checkSigned(c Checkpoint) {
	subject := strconv.FormatInt(c.Size, 10)
	tree, err := openCheckpoint(c.Note, l.keys...)
	if len(l.keys) == 0 && fault.CodeOf(err) == "ledger.unknown_key" {
		tree, err = parseUnverified(c.Note)
	}
	switch {
	case err != nil:
		l.fail("checkpoint", subject, "%s", fault.From(err).Message)
	case tree.N != c.Size || tree.Hash != c.Root:
		l.fail("checkpoint", subject, "its note signs %d leaves with root %v", tree.N, tree.Hash)
	}
}
