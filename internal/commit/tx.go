package commit

import (
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/id"
)

// LeafSize is the size of one leaf of the log: a SHA-256 hash.
const LeafSize = 32

// Tx is what a decision sees: the rows it declared, and the means to change them.
type Tx struct {
	group   *group
	keys    []Key
	touched []groupTable
	after   []func()
}

// Now is the instant of the group, the same for all its decisions and tables.
func (tx *Tx) Now() time.Time { return tx.group.now }

// Group names the commit that the decision is part of.
func (tx *Tx) Group() id.Group { return tx.group.id }

// AddLeaf gives the commit a leaf for the append-only log and returns its place within the commit.
func (tx *Tx) AddLeaf(leaf [LeafSize]byte) int {
	tx.group.leaves = append(tx.group.leaves, leaf[:]...)
	return len(tx.group.leaves)/LeafSize - 1
}

// After runs fn once the commit is durable, in the committer's goroutine: fn must be quick, a nudge
// to a worker and not the work.
func (tx *Tx) After(fn func()) { tx.after = append(tx.after, fn) }

// Keep returns an error with which a decision refuses and yet keeps what it wrote: a wrong PIN is
// refused, and counted. Do returns cause.
func Keep(cause error) error {
	if cause == nil {
		return nil
	}
	return &keptError{cause: cause}
}

type keptError struct{ cause error }

// Error returns the cause's text.
func (e *keptError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *keptError) Unwrap() error { return e.cause }

func (tx *Tx) touch(t groupTable) {
	if !slices.Contains(tx.touched, t) {
		tx.touched = append(tx.touched, t)
	}
}

func (tx *Tx) declared(key Key) bool { return slices.Contains(tx.keys, key) }
